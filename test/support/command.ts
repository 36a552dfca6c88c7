/** Runs ImageDiff as a user does: the launcher, in a process of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { CommandResult, FailureReport, Line } from "../../src/report/schema.ts";

export const launcher = fileURLToPath(new URL("../../bin/imagediff", import.meta.url));

export interface Ended {
  /** Null where a signal ended it. */
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  input?: string;
}

export function startCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): { child: ChildProcess; ended: Promise<Ended> } {
  const { cwd, env, input } = options;
  const child = spawn(program, args, { cwd, env: { ...process.env, ...env } });
  const ended = new Promise<Ended>((resolve, reject) => {
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", reject);
    child.on("close", (exitCode, signal) => resolve({ exitCode, signal, stdout, stderr }));
  });
  // Who does not read its input need not.
  child.stdin.on("error", () => undefined).end(input ?? "");
  return { child, ended };
}

/** Any program, to its end. */
export async function run(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Ended> {
  return startCommand(program, args, options).ended;
}

/** Any program that must succeed; its standard output. */
export async function must(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const ended = await run(program, args, options);
  if (ended.exitCode !== 0) {
    throw new Error(
      `${program} ${args.join(" ")} ended with ${ended.exitCode ?? ended.signal}: ${ended.stdout}${ended.stderr}`,
    );
  }
  return ended.stdout;
}

export async function imagediff(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Ended> {
  return run(launcher, args, options);
}

/** The lines of a run with --json. */
export function linesOf(ended: Ended): Array<Line | CommandResult> {
  return ended.stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line | CommandResult);
}

/** The last line of a run with --json, which must be a failure. */
export function failureOf(ended: Ended): FailureReport {
  const last = linesOf(ended).at(-1);
  if (last?.type !== "failure") throw new Error(`no failure: ${ended.stdout}${ended.stderr}`);
  return last;
}
