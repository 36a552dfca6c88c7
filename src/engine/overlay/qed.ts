/**
 * QED output: QEMU's own driver copies what the finished qcow2 overlay holds, and only that,
 * into a QED image over the same base.
 */
import { Failure } from "../../report/reasons.ts";
import { blockGraph } from "../image/graph.ts";
import type { Image } from "../image/image.ts";
import { runTool } from "../image/tool.ts";
import type { Listener } from "../request.ts";
import { progress } from "../request.ts";
import type { BackingRecord } from "./header.ts";

export interface QedRequest {
  /** The qcow2 overlay with its backing chain. */
  readonly overlay: Image;
  readonly backing: BackingRecord;
  readonly clusterSize: number;
  readonly virtualSize: number;
  /** Where to make it: an absolute path. */
  readonly path: string;
}

/** @throws Failure NoSpace or OutputWriteFailed. */
export async function makeQed(request: QedRequest, listener: Listener): Promise<void> {
  const { overlay, backing, clusterSize, virtualSize, path } = request;
  const { signal } = listener;
  const made = await runTool(
    "qemu-img",
    [
      ...["create", "-q", "-u", "-f", "qed", "-b", backing.name, "-F", backing.format],
      ...["-o", `cluster_size=${clusterSize}`, path, String(virtualSize)],
    ],
    { fds: [], signal },
  );
  requireDone(made.exitCode, made.stderr);

  // The backing chain's descriptors serve the source and the target alike.
  const source = blockGraph(overlay);
  const base = JSON.parse(source.name.slice("json:".length)) as { backing: object };
  const target = { driver: "qed", file: { driver: "file", filename: path }, backing: base.backing };
  const copied = await runTool(
    "qemu-img",
    [
      ...["convert", "-p", "-n", "-O", "qed", "-B", "/dev/fd/4", "-F", backing.format],
      ...[source.name, `json:${JSON.stringify(target)}`],
    ],
    {
      fds: source.fds,
      signal,
      onStdout: (text) => {
        const percent = percentIn(text);
        if (percent !== undefined) {
          listener.onProgress(
            progress("Converting", Math.floor((percent / 100) * virtualSize), virtualSize),
          );
        }
      },
    },
  );
  requireDone(copied.exitCode, copied.stderr);
}

/** The last percentage that qemu-img's -p printed. */
export function percentIn(text: string): number | undefined {
  const last = [...text.matchAll(/\((\d+(?:\.\d+)?)\/100%\)/g)].at(-1)?.[1];
  return last === undefined ? undefined : Number(last);
}

/** @throws Failure where qemu-img could not write its output. */
export function requireDone(exitCode: number | null, stderr: string): void {
  if (exitCode === 0) return;
  const said = stderr
    .replaceAll(/json:\{.*\}+'?:?/g, "the image")
    .replaceAll(/\s+/g, " ")
    .trim();
  const full = /No space left|Disk quota exceeded|File too large/.test(said);
  throw new Failure(
    full ? "NoSpace" : "OutputWriteFailed",
    `qemu-img could not write the output: ${said === "" ? `it ended with code ${exitCode}` : said}.`,
  );
}
