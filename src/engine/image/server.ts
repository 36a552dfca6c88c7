/**
 * A qemu-nbd that serves one image read-only on a private socket: every format but raw is
 * parsed there, in a process of its own, never in ours.
 */
import { existsSync, watch } from "node:fs";
import { Failure } from "../../report/reasons.ts";
import { quote } from "../text.ts";
import { requireReadable } from "./check.ts";
import { blockGraph } from "./graph.ts";
import type { Image } from "./image.ts";
import { makeSocketFolder, type SocketFolder } from "./socket-folder.ts";
import { startTool, type Finished, type RunningTool } from "./tool.ts";

export interface ImageServer {
  readonly socket: string;
  /** Ends the server, whoever waits for it gets an error, and removes its socket. */
  readonly close: () => void;
}

export interface ServerOptions {
  /** How many connections to serve at once. */
  readonly connections: number;
  /** Seconds without a sign of life after which it counts as hanging. */
  readonly stallSeconds: number;
  readonly signal: AbortSignal;
}

/**
 * Starts a server and waits until it accepts connections.
 * @throws Failure ToolMissing, ImageInvalid (qemu-nbd cannot open the image) or ReaderStalled.
 */
export async function serveImage(image: Image, options: ServerOptions): Promise<ImageServer> {
  const folder = makeSocketFolder();
  const { socket, pidFile } = folder;
  const graph = blockGraph(image);
  const tool = startTool(
    "qemu-nbd",
    [
      "--read-only",
      "--allocation-depth",
      `--shared=${options.connections}`,
      "--persistent",
      `--socket=${socket}`,
      `--pid-file=${pidFile}`,
      graph.name,
    ],
    { fds: graph.fds, signal: options.signal },
  );
  // Whether it ends early is for its readers to notice.
  tool.finished.catch(() => undefined);
  const close = (): void => {
    if (!running.delete(close)) return;
    tool.child.kill("SIGKILL");
    folder.remove();
  };
  running.add(close);
  try {
    await ready(image, tool, folder, options);
  } catch (error) {
    close();
    throw error;
  }
  return { socket, close };
}

const running = new Set<() => void>();

/** Ends every server of this process: whoever waits for one, even one that hangs, gets an error. */
export function closeServers(): void {
  for (const close of running) close();
}

/** qemu-nbd writes its pid file when it accepts connections. */
async function ready(
  image: Image,
  tool: RunningTool,
  folder: SocketFolder,
  options: ServerOptions,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const look = (): void => {
    if (existsSync(folder.pidFile)) resolve();
  };
  const watcher = watch(folder.path, look);
  look();
  const timer = setTimeout(
    () => reject(stalled(image, options.stallSeconds)),
    options.stallSeconds * 1000,
  );
  tool.finished
    .then((finished) => {
      throw cannotOpen(image, finished);
    })
    .catch(reject);
  try {
    await promise;
    options.signal.throwIfAborted();
  } finally {
    watcher.close();
    clearTimeout(timer);
  }
}

/** What the program said, without the graph that we gave it and the descriptors' numbers. */
function complaint({ stderr, exitCode }: Finished): string {
  const text = stderr
    .replaceAll(/json:\{.*\}+'?/g, "the image")
    .replaceAll(/^qemu-nbd: |Could not open '[^']*': /gm, "")
    .replaceAll(/\s+/g, " ")
    .trim();
  return text === "" ? `it ended with code ${exitCode}` : text;
}

function cannotOpen(image: Image, finished: Finished): Failure {
  requireReadable(image, finished);
  const name = quote(image.file.path);
  const why = complaint(finished);
  return new Failure(
    "ImageInvalid",
    `${name} cannot be opened as ${image.format}: ${why}. ` +
      "Check that the format is right and that the file is whole.",
  );
}

export function stalled(image: Image, seconds: number): Failure {
  return new Failure(
    "ReaderStalled",
    `The program that reads ${quote(image.file.path)}, qemu-nbd, has not answered for ` +
      `${seconds} seconds. The storage may hang, or the image may be made to be slow.`,
  );
}
