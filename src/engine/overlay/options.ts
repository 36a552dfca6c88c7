/** The overlay's own options, by the names that QEMU gives them (`-o`). */
import { Failure } from "../../report/reasons.ts";
import type { OutputFormat } from "../../report/schema.ts";
import { quote } from "../text.ts";

export interface OverlayOptions {
  readonly format: OutputFormat;
  /** Bytes: a power of two. */
  readonly clusterSize: number;
  readonly compressionType: "zlib" | "zstd";
  /** Whether data clusters are stored compressed. */
  readonly compressed: boolean;
  readonly extendedL2: boolean;
  readonly lazyRefcounts: boolean;
  readonly refcountBits: number;
  /** What the user wants recorded as the backing file's format, to compare with what it is. */
  readonly backingFormat: string | null;
}

interface OptionHelp {
  readonly name: string;
  readonly takes: string;
  readonly formats: readonly OutputFormat[];
}

export const optionHelp: readonly OptionHelp[] = [
  {
    name: "backing_fmt",
    takes: "format of the backing file; the same as -F",
    formats: ["qcow2", "qed"],
  },
  {
    name: "cluster_size",
    takes: "512 to 2M for qcow2, 4k to 64M for qed, a power of two; 64k if not given",
    formats: ["qcow2", "qed"],
  },
  { name: "compat", takes: "1.1 (also v3): zero clusters need version 3", formats: ["qcow2"] },
  { name: "compression_type", takes: "zlib (if not given) or zstd", formats: ["qcow2"] },
  {
    name: "extended_l2",
    takes:
      "on or off (if not given): 32 subclusters a cluster, which needs cluster_size=16k or more",
    formats: ["qcow2"],
  },
  { name: "lazy_refcounts", takes: "on or off (if not given)", formats: ["qcow2"] },
  { name: "refcount_bits", takes: "1, 2, 4, 8, 16 (if not given), 32 or 64", formats: ["qcow2"] },
];

export function describeOptions(format: OutputFormat): string {
  const rows = optionHelp.filter((option) => option.formats.includes(format));
  const width = Math.max(...rows.map(({ name }) => name.length)) + 2;
  const lines = rows.map(({ name, takes }) => `  ${name.padEnd(width)}${takes}`);
  return [`Options of ${format} for -o NAME=VALUE[,NAME=VALUE...]:`, ...lines, ""].join("\n");
}

const usage = (message: string): Failure => new Failure("InvalidUsage", message);

/**
 * @param text what was given with `-o`, each as NAME=VALUE[,NAME=VALUE...].
 * @throws Failure InvalidUsage for what is unknown, out of range or contradictory.
 */
export function parseOverlayOptions(
  format: OutputFormat,
  texts: readonly string[],
  compressed: boolean,
): OverlayOptions {
  const given = new Map<string, string>();
  for (const item of texts.flatMap((text) => text.split(",")).filter((part) => part !== "")) {
    const [name, value] = splitOnce(item);
    const known = optionHelp.find((option) => option.name === name);
    if (known === undefined || !known.formats.includes(format)) {
      const names = optionHelp.filter((option) => option.formats.includes(format));
      throw usage(
        `-o: ${format} has no option ${quote(name)}; it has ${names.map((option) => option.name).join(", ")}.`,
      );
    }
    if (given.has(name) && given.get(name) !== value) {
      throw usage(
        `-o: ${name} is given twice, as ${quote(given.get(name) ?? "")} and ${quote(value)}.`,
      );
    }
    given.set(name, value);
  }
  if (format === "qed" && compressed)
    throw usage("-c: qed overlays cannot be compressed; use qcow2.");

  const [least, most] = format === "qcow2" ? [512, 2 ** 21] : [4096, 2 ** 26];
  const clusterSize = parseClusterSize(given.get("cluster_size") ?? "64k", least, most);
  const extendedL2 = parseSwitch("extended_l2", given.get("extended_l2") ?? "off");
  if (extendedL2 && clusterSize < 16384) {
    throw usage("-o: extended_l2=on needs cluster_size=16k or more.");
  }
  oneOf("compat", given.get("compat") ?? "1.1", ["1.1", "v3"]);
  return {
    format,
    clusterSize,
    compressionType: oneOf("compression_type", given.get("compression_type") ?? "zlib", [
      "zlib",
      "zstd",
    ]),
    compressed,
    extendedL2,
    lazyRefcounts: parseSwitch("lazy_refcounts", given.get("lazy_refcounts") ?? "off"),
    refcountBits: Number(
      oneOf("refcount_bits", given.get("refcount_bits") ?? "16", [
        "1",
        "2",
        "4",
        "8",
        "16",
        "32",
        "64",
      ]),
    ),
    backingFormat: given.get("backing_fmt") ?? null,
  };
}

/** NAME=VALUE; a NAME alone switches it on. */
function splitOnce(item: string): [name: string, value: string] {
  const at = item.indexOf("=");
  return at < 0 ? [item, "on"] : [item.slice(0, at), item.slice(at + 1)];
}

function oneOf<const Value extends string>(
  name: string,
  value: string,
  values: readonly Value[],
): Value {
  const found = values.find((candidate) => candidate === value);
  if (found !== undefined) return found;
  throw usage(`-o: ${name} is ${quote(value)}; it takes ${values.join(", ")}.`);
}

function parseSwitch(name: string, value: string): boolean {
  return oneOf(name, value, ["on", "off"]) === "on";
}

/** A number of bytes as QEMU takes it: plain, or with k, K, KiB, M, MiB as powers of 1024. */
function parseClusterSize(text: string, least: number, most: number): number {
  const match = /^(\d{1,9})(?:([kKmM])(?:iB)?)?$/.exec(text);
  const unit = { k: 1024, m: 1024 ** 2 }[match?.[2]?.toLowerCase() ?? ""] ?? 1;
  const bytes = Number(match?.[1] ?? NaN) * unit;
  if (bytes >= least && bytes <= most && Number.isInteger(Math.log2(bytes))) return bytes;
  throw usage(
    `-o: cluster_size is ${quote(text)}; it takes a power of two from ${least} to ${most} bytes.`,
  );
}
