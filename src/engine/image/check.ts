/** Has QEMU check an image's metadata, and tell its virtual size. */
import { Failure } from "../../report/reasons.ts";
import { quote } from "../text.ts";
import { readAt } from "./format.ts";
import { blockGraph } from "./graph.ts";
import type { Image } from "./image.ts";
import { runTool, type Finished } from "./tool.ts";

/** qemu-img check's exit codes (qemu-img(1)). */
const Check = { clean: 0, corrupt: 2, leaks: 3, unsupported: 63 } as const;

/** What `qemu-img info` may print of an image, in characters: some 500 for each snapshot. */
const INFO_LIMIT = 2 ** 26;

export interface CheckOptions {
  readonly signal: AbortSignal;
  /** Seconds for which the program may do nothing; any number if absent. */
  readonly stallSeconds?: number;
}

/** The last lines of what a program said, without the odd names that we gave it. */
function lastWords({ stdout, stderr }: Finished): string {
  const lines = `${stdout}\n${stderr}`.split("\n").filter((line) => line.trim() !== "");
  return lines
    .slice(0, 3)
    .join("; ")
    .replaceAll(/json:\{.*\}+'?:?/g, "the image")
    .slice(0, 500);
}

async function check(image: Image, options: CheckOptions): Promise<Finished> {
  const graph = blockGraph(image, false);
  return runTool("qemu-img", ["check", graph.name], { ...options, fds: graph.fds });
}

/**
 * An image whose storage fails, or that somebody writes to, is not damaged for good.
 * @throws Failure SourceReadFailed or SourceChanged where that is what a program complained about.
 */
export function requireReadable(image: Image, said: Finished): void {
  const name = quote(image.file.path);
  const words = said.stdout + said.stderr;
  if (/Failed to get .* lock/.test(words)) {
    throw new Failure(
      "SourceChanged",
      `${name} is in use: another program, such as a running virtual machine, has it open for ` +
        "writing. Stop it first.",
    );
  }
  if (!/Input\/output error/.test(words)) return;
  throw new Failure(
    "SourceReadFailed",
    `${name} cannot be read: Input/output error. ` +
      "Check the storage below it (the kernel's log tells more).",
  );
}

/**
 * @throws Failure ImageInvalid where the image or one of its backing chain is damaged. Leaked
 * clusters do no harm to a reader; formats without a check pass.
 */
export async function requireSound(image: Image, options: CheckOptions): Promise<void> {
  if (image.format !== "raw") {
    const finished = await check(image, options);
    const harmless: ReadonlyArray<number | null> = [Check.clean, Check.leaks, Check.unsupported];
    if (!harmless.includes(finished.exitCode)) {
      requireReadable(image, finished);
      throw new Failure(
        "ImageInvalid",
        `${quote(image.file.path)} is damaged or no ${image.format} image: ${lastWords(finished)}. ` +
          `See what 'qemu-img check -f ${image.format}' says of it.`,
      );
    }
    await requireWhole(image, options);
  }
  if (image.backing !== null) await requireSound(image.backing, options);
}

/**
 * What an image maps beyond its file's end reads as zeroes, and qemu-img's check does not mind:
 * in VDI and Parallels images anywhere, in others within the last cluster.
 * @throws Failure ImageInvalid
 */
async function requireWhole(image: Image, options: CheckOptions): Promise<void> {
  const { path, length, isBlockDevice } = image.file;
  if (isBlockDevice || length % unitOf(image) === 0) return;
  let end = 0;
  let rest = "";
  const graph = blockGraph(image, false);
  await runTool("qemu-img", ["map", "--output=json", graph.name], {
    ...options,
    fds: graph.fds,
    onStdout(text) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const extent = /"length": (\d+).*"data": true.*"offset": (\d+)/.exec(line);
        if (extent !== null) end = Math.max(end, Number(extent[1]) + Number(extent[2]));
      }
    },
  });
  if (end <= Math.ceil(length / 512) * 512) return;
  throw new Failure(
    "ImageInvalid",
    `${quote(path)} is cut short: its data goes on to byte ${end}, and it has only ${length} bytes. ` +
      "Copy it again from where it came from.",
  );
}

/** A file of so many bytes, or a multiple, is as long as qemu-img's check can tell. */
function unitOf({ format, file }: Image): number {
  if (format === "qcow2") return 2 ** readAt(file.fd, 20, 4).readUInt32BE();
  if (format === "vmdk") return Math.max(1, Number(readAt(file.fd, 20, 8).readBigUInt64LE()) * 512);
  return format === "vdi" || format === "parallels" ? Infinity : 1;
}

/**
 * For an overlay of our own: not even a leak is allowed.
 * @throws Failure VerificationFailed
 */
export async function requireClean(overlay: Image, options: CheckOptions): Promise<void> {
  const finished = await check(overlay, options);
  if (finished.exitCode === Check.clean) return;
  throw new Failure(
    "VerificationFailed",
    `QEMU does not find the overlay's metadata clean: ${lastWords(finished)}. Please report this.`,
  );
}

/** The size in bytes of the disk that a guest sees. */
export async function virtualSizeOf(image: Image, options: CheckOptions): Promise<number> {
  // QEMU sees disks in sectors of 512 bytes, the last one filled up with zeroes.
  if (image.format === "raw") return Math.ceil(image.file.length / 512) * 512;
  // The size is the image's own, whatever it rests on.
  const graph = blockGraph(image, false);
  const finished = await runTool("qemu-img", ["info", "--output=json", graph.name], {
    ...options,
    fds: graph.fds,
    outputLimit: INFO_LIMIT,
  });
  if (finished.exitCode !== 0) {
    requireReadable(image, finished);
    throw new Failure(
      "ImageInvalid",
      `${quote(image.file.path)} cannot be opened as ${image.format}: ${lastWords(finished)}. ` +
        "Check that the format is right and that the file is whole.",
    );
  }
  try {
    return (JSON.parse(finished.stdout) as { "virtual-size": number })["virtual-size"];
  } catch {
    throw new Failure(
      "ImageRefused",
      `${quote(image.file.path)} has more to tell of itself, most likely internal snapshots, than ` +
        `the ${INFO_LIMIT} characters that are read. Delete snapshots, or give a copy without them.`,
    );
  }
}
