/** The same disk in every format that QEMU can write and the engine can read. */
import { join } from "node:path";
import type { Format } from "../../src/engine/image/format.ts";
import { must } from "./command.ts";
import { makeRaw } from "./raw-image.ts";

export interface Kind {
  readonly name: string;
  readonly format: Format;
  /** Makes `path` hold the same disk as the raw image; may put more files beside it. */
  readonly make: (raw: string, path: string) => Promise<unknown>;
}

async function convert(
  raw: string,
  path: string,
  format: Format,
  options: readonly string[] = [],
): Promise<unknown> {
  return must("qemu-img", ["convert", "-f", "raw", "-O", format, ...options, raw, path]);
}

const converted = (name: string, format: Format, options: readonly string[] = []): Kind => ({
  name,
  format,
  make: async (raw, path) => convert(raw, path, format, options),
});

/** The image was something else once, which a snapshot inside of it still holds. */
async function makeWithSnapshot(raw: string, path: string): Promise<void> {
  await convert(raw, path, "qcow2");
  const commands = ["write -P 77 0 1M", "write -P 78 4M 2M", "discard 7M 512k"];
  await must("qemu-io", ["-f", "qcow2", ...commands.flatMap((text) => ["-c", text]), path]);
  await must("qemu-img", ["snapshot", "-c", "before", path]);
  await must("qemu-img", ["convert", "-n", "-f", "raw", "-O", "qcow2", raw, path]);
}

/** The disk is spread over three files, of two formats. */
async function makeChain(raw: string, path: string): Promise<void> {
  const [lowest, middle] = [`${path}.lowest`, `${path}.middle`];
  const size = "10M";
  makeRaw(lowest, 10 * 2 ** 20, [
    { start: 0, length: 3 * 2 ** 20, fill: "noise", seed: 500 },
    { start: 5 * 2 ** 20, length: 2 ** 20, fill: "text", seed: 501 },
  ]);
  const create = ["create", "-q", "-f", "qcow2"];
  await must("qemu-img", [...create, "-b", lowest, "-F", "raw", middle, size]);
  await must("qemu-io", ["-f", "qcow2", "-c", "write -P 5 2M 2M", "-c", "write -z 5M 64k", middle]);
  await must("qemu-img", [...create, "-b", raw, "-F", "raw", path]);
  await must("qemu-img", ["rebase", "-b", middle, "-F", "qcow2", path]);
}

/** Images of a disk of 10 MiB: some formats cannot hold every size. */
export const kinds: readonly Kind[] = [
  { name: "raw", format: "raw", make: async (raw, path) => must("cp", [raw, path]) },
  converted("qcow2 version 2", "qcow2", ["-o", "compat=0.10"]),
  converted("qcow2 version 3", "qcow2", ["-o", "compat=1.1,cluster_size=4k"]),
  converted("qcow2 with zlib", "qcow2", ["-c"]),
  converted("qcow2 with zstd", "qcow2", ["-c", "-o", "compression_type=zstd"]),
  converted("qcow2 with extended L2", "qcow2", ["-o", "extended_l2=on,cluster_size=128k"]),
  { name: "qcow2 with a snapshot", format: "qcow2", make: makeWithSnapshot },
  { name: "qcow2 with a chain", format: "qcow2", make: makeChain },
  converted("vmdk monolithicSparse", "vmdk", ["-o", "subformat=monolithicSparse"]),
  converted("vmdk streamOptimized", "vmdk", ["-o", "subformat=streamOptimized"]),
  converted("vdi", "vdi"),
  converted("vhdx", "vhdx"),
  converted("vpc dynamic", "vpc", ["-o", "subformat=dynamic,force_size=on"]),
  converted("vpc fixed", "vpc", ["-o", "subformat=fixed,force_size=on"]),
  converted("qed", "qed"),
  converted("parallels", "parallels"),
];

/** Makes the disk of the raw image in one of the formats; its path. */
export async function makeImage(
  kind: Kind,
  raw: string,
  folder: string,
  name: string,
): Promise<string> {
  const path = join(folder, `${name}.${kind.name.replaceAll(" ", "-")}`);
  await kind.make(raw, path);
  return path;
}
