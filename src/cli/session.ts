/** One run of the command: who hears what, how a signal ends it, and the exit code. */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { constants as os } from "node:os";
import { ExitCode, Failure } from "../report/reasons.ts";
import type { CommandResult, FailureReport, Line, Progress } from "../report/schema.ts";
import { TERMINATION_MESSAGE_BYTES, terminationMessage } from "../report/termination.ts";
import type { Listener } from "../engine/request.ts";
import { messageOf, quote } from "../engine/text.ts";
import type { ProgressBar } from "./progress-bar.ts";

/** Where a run's words go. */
export interface Voice {
  /** A line of the report. */
  readonly line: (line: Line | CommandResult) => void;
  /** The result, for people. */
  readonly words: (text: string) => void;
  /** What went wrong, for people. */
  readonly complaint: (text: string) => void;
}

export const standardVoice: Voice = {
  line: (line) => void process.stdout.write(`${JSON.stringify(line)}\n`),
  words: (text) => void process.stdout.write(text),
  complaint: (text) => void process.stderr.write(text),
};

/** What a subcommand's action gets from whoever started it. */
export interface CommandContext {
  readonly voice: Voice;
  readonly exit: (code: number) => void;
}

export interface SessionOptions {
  /** JSON lines on standard output, progress included. */
  readonly json?: boolean;
  /** A progress bar on standard error. */
  readonly progress?: boolean;
  /** A file to write the result to as well, in at most 4096 bytes. */
  readonly reportFile?: string;
}

/** Milliseconds between two progress lines. */
const PROGRESS_INTERVAL = 1000;
/** Milliseconds after a signal by which everything must have ended. */
const GRACE = 700;

/**
 * Does the work, tells its result, and returns the exit code.
 * @param describe the result in words, for people.
 */
export async function runSession<Result extends CommandResult>(
  voice: Voice,
  options: SessionOptions,
  work: (listener: Listener) => Promise<Result>,
  describe: (result: Result) => string,
): Promise<number> {
  const interruption = new Interruption();
  const bar = await progressBar(options.progress === true && options.json !== true);
  const throttled = throttle((line) => {
    if (options.json === true) voice.line(line);
  });
  try {
    const result = await work({
      signal: interruption.signal,
      onProgress(line) {
        bar?.show(line);
        throttled(line);
      },
    });
    bar?.end();
    report(voice, options, result);
    if (options.json !== true) voice.words(describe(result));
    return ExitCode.Done;
  } catch (error) {
    bar?.end();
    return fail(voice, options, error, interruption.exitCode);
  } finally {
    interruption.close();
  }
}

/** Its library is loaded for those who asked for it. */
export async function progressBar(wanted: boolean): Promise<ProgressBar | null> {
  if (!wanted) return null;
  const bar = await import("./progress-bar.ts");
  return new bar.ProgressBar();
}

/** Tells a failure everywhere that it is waited for, and returns the exit code. */
export function fail(
  voice: Voice,
  options: SessionOptions,
  error: unknown,
  signalled?: number,
): number {
  const failure = error instanceof Failure ? error : internal(error);
  const exitCode = signalled ?? failure.exitCode;
  const { reason, message } = failure;
  report(voice, options, { type: "failure", reason, message, exitCode });
  voice.complaint(`imagediff: ${message} [${reason}]\n`);
  return exitCode;
}

function internal(error: unknown): Failure {
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new Failure(
    "InternalError",
    `Something went wrong that should not: please report this. ${trace}`,
    {
      cause: error,
    },
  );
}

function report(voice: Voice, options: SessionOptions, line: CommandResult | FailureReport): void {
  if (options.json === true) voice.line(line);
  if (options.reportFile === undefined) return;
  if (line.type !== "result" && line.type !== "failure") return;
  try {
    writeReport(options.reportFile, terminationMessage(line));
  } catch (error) {
    const name = quote(options.reportFile);
    voice.complaint(`imagediff: The report file ${name} was not written: ${messageOf(error)}.\n`);
  }
}

/** Whatever is larger than a report is no report, but most likely an image named by mistake. */
function writeReport(path: string, message: string): void {
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o644);
  try {
    const { size } = fstatSync(fd);
    if (size > TERMINATION_MESSAGE_BYTES) throw new Error("it holds something else");
    if (size > 0) ftruncateSync(fd);
    writeSync(fd, message);
  } finally {
    closeSync(fd);
  }
}

/** Lets one line through a second, and the first and last of each phase. */
function throttle(show: (line: Progress) => void): (line: Progress) => void {
  let phase = "";
  let shown = -Infinity;
  let percent = -1;
  return (line) => {
    const now = performance.now();
    const ended = line.percent === 100 && percent !== 100;
    if (line.phase === phase && !ended && now - shown < PROGRESS_INTERVAL) return;
    if (line.phase === phase && line.percent === percent) return;
    ({ phase, percent } = line);
    shown = now;
    show(line);
  };
}

/** SIGINT and SIGTERM: work stops, what it has begun is removed, within a second. */
class Interruption {
  readonly #controller = new AbortController();
  readonly signal = this.#controller.signal;
  /** 128 and the signal's number, as shells have it; undefined while there was none. */
  exitCode: number | undefined;
  readonly #onSignal = (name: NodeJS.Signals): void => {
    this.exitCode = 128 + os.signals[name];
    this.#controller.abort(new Failure("Interrupted", `Stopped by ${name}; nothing was written.`));
    setTimeout(() => void this.#insist(), GRACE).unref();
  };

  constructor() {
    process.on("SIGINT", this.#onSignal).on("SIGTERM", this.#onSignal);
  }

  /** A thread that hangs in a read cannot be ended: the process then ends around it. */
  async #insist(): Promise<void> {
    const [{ discardUnfinished }, { closeServers }, { exitNow }] = await Promise.all([
      import("../engine/overlay/output-file.ts"),
      import("../engine/image/server.ts"),
      import("../engine/system/libc.ts"),
    ]);
    closeServers();
    discardUnfinished();
    exitNow(this.exitCode ?? ExitCode.Retryable);
  }

  close(): void {
    process.off("SIGINT", this.#onSignal).off("SIGTERM", this.#onSignal);
  }
}
