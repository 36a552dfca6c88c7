/** Runs QEMU's programs on images that may be hostile: with limits, and never outliving us. */
import { readFileSync } from "node:fs";
import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { Failure } from "../../report/reasons.ts";
import { messageOf } from "../text.ts";

/** Address space of a program that parses an image, in bytes. */
const MEMORY_LIMIT = 4 * 2 ** 30;

export interface ToolOptions {
  /** Descriptors to inherit, from 3 on. */
  readonly fds: readonly number[];
  readonly signal: AbortSignal;
  readonly onStdout?: (text: string) => void;
  /** As much of what it prints as is kept, from the end, in characters. */
  readonly outputLimit?: number;
}

export interface Finished {
  /** Null where a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningTool {
  readonly child: ChildProcess;
  /** Rejects with a Failure where the program could not be started. */
  readonly finished: Promise<Finished>;
}

/** As much of a program's output as a message could ever need, in characters. */
const OUTPUT_LIMIT = 1 << 20;

/** If we died before setpriv asked for its signal, none will come: the parent is another by now. */
const UNLESS_ORPHANED = 'parent=$1; shift; [ "$PPID" = "$parent" ] && exec "$@"';

/**
 * setpriv ends the program with us, even when we are killed; prlimit bounds its memory and
 * keeps it from leaving a core file. Both are in Debian's util-linux, which is always there.
 */
export function startTool(
  name: string,
  args: readonly string[],
  options: ToolOptions,
): RunningTool {
  const stdio: StdioOptions = ["ignore", "pipe", "pipe", ...options.fds];
  const alive = ["sh", "-c", UNLESS_ORPHANED, "sh", String(process.pid)];
  const limits = ["prlimit", `--as=${MEMORY_LIMIT}`, "--core=0"];
  const child = spawn(
    "setpriv",
    ["--pdeathsig", "KILL", ...alive, ...limits, "--", name, ...args],
    {
      stdio,
      signal: options.signal,
      killSignal: "SIGKILL",
      // A process group of its own: Ctrl-C is for us to handle, in order.
      detached: true,
      env: { ...process.env, LC_ALL: "C.UTF-8" },
    },
  );
  const finished = new Promise<Finished>((resolve, reject) => {
    let stdout = "";
    let stderr = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      options.onStdout?.(text);
      stdout = (stdout + text).slice(-(options.outputLimit ?? OUTPUT_LIMIT));
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-OUTPUT_LIMIT);
    });
    child.on("error", (error) => {
      if (!options.signal.aborted) reject(cannotStart("setpriv", error));
    });
    child.on("close", (exitCode) => {
      // prlimit's and setpriv's own exit code for a program that is not there.
      if (exitCode === 127 || /failed to execute/.test(stderr)) reject(cannotStart(name, stderr));
      else resolve({ exitCode, stdout, stderr: stderr.trim() });
    });
  });
  return { child, finished };
}

function cannotStart(name: string, error: unknown): Failure {
  return new Failure(
    "ToolMissing",
    `The program ${name} cannot be started (${messageOf(error).trim()}). ` +
      "Install Debian's packages qemu-utils and util-linux.",
  );
}

/**
 * @param stallSeconds for how long the program may do nothing, before it counts as hanging; it may
 * take as long as it likes.
 * @throws Failure ToolMissing or ReaderStalled.
 */
export async function runTool(
  name: string,
  args: readonly string[],
  options: ToolOptions & { readonly stallSeconds?: number },
): Promise<Finished> {
  const { child, finished } = startTool(name, args, options);
  const { stallSeconds = Infinity } = options;
  let work = workOf(child);
  let since = performance.now();
  let hangs = false;
  const timer = setInterval(() => {
    const now = workOf(child);
    if (now !== work) since = performance.now();
    work = now;
    if (performance.now() - since <= stallSeconds * 1000) return;
    hangs = true;
    child.kill("SIGKILL");
  }, LOOK_MILLISECONDS);
  try {
    const result = await finished;
    options.signal.throwIfAborted();
    if (!hangs) return result;
    throw new Failure(
      "ReaderStalled",
      `${name} ${args[0]} has done nothing for ${stallSeconds} seconds. ` +
        "The storage may hang, or the image may be made to be slow.",
    );
  } finally {
    clearInterval(timer);
  }
}

const LOOK_MILLISECONDS = 250;

/** What a program has read and computed so far: io and stat of proc(5), as far as they may be read. */
function workOf({ pid }: ChildProcess): string {
  return ["io", "stat"].map((file) => textOf(`/proc/${pid}/${file}`)).join("");
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
