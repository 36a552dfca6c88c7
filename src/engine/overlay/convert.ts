/** Has qemu-img write an output of ours, by its open file: it never learns a name to follow. */
import { Failure } from "../../report/reasons.ts";
import type { Progress } from "../../report/schema.ts";
import { FIRST_INHERITED_FD } from "../image/graph.ts";
import { runTool } from "../image/tool.ts";
import { progress, type Listener } from "../request.ts";

export interface Conversion {
  readonly phase: Progress["phase"];
  /** Bytes of the disk, for the progress. */
  readonly virtualSize: number;
  /** The descriptors of what is read, then that of what is written. */
  readonly fds: readonly number[];
  /** Of qemu-img convert. */
  readonly arguments: readonly string[];
}

/** The name under which a program finds the descriptor that it inherits at this place. */
export function inheritedName(index: number): string {
  return `/dev/fd/${FIRST_INHERITED_FD + index}`;
}

/** @throws Failure NoSpace or OutputWriteFailed. */
export async function convert(conversion: Conversion, listener: Listener): Promise<void> {
  const { phase, virtualSize, fds } = conversion;
  await writeByTool(["convert", "-p", ...conversion.arguments], fds, listener, (text) => {
    const last = [...text.matchAll(/\((\d+(?:\.\d+)?)\/100%\)/g)].at(-1)?.[1];
    if (last === undefined) return;
    const done = Math.floor((Number(last) / 100) * virtualSize);
    listener.onProgress(progress(phase, done, virtualSize));
  });
}

/** @throws Failure NoSpace, SourceReadFailed or OutputWriteFailed where qemu-img does not succeed. */
export async function writeByTool(
  args: readonly string[],
  fds: readonly number[],
  listener: Listener,
  onStdout: (text: string) => void = () => undefined,
): Promise<void> {
  const { signal } = listener;
  const { exitCode, stderr } = await runTool("qemu-img", args, { fds, signal, onStdout });
  if (exitCode === 0) return;
  const said = stderr
    .replaceAll(/json:\{.*\}+'?:?/g, "the image")
    .replaceAll(/\s+/g, " ")
    .trim();
  const full = /No space left|Disk quota exceeded|File too large/.test(said);
  if (/error while reading/.test(said)) {
    throw new Failure("SourceReadFailed", `The image cannot be read to its end: ${said}.`);
  }
  throw new Failure(
    full ? "NoSpace" : "OutputWriteFailed",
    `qemu-img could not write the output: ${said === "" ? `it ended with code ${exitCode}` : said}.`,
  );
}
