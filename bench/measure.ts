/** Times whole processes, side by side: A B C A B C ..., so that a machine's drift hits all alike. */
import { spawnSync } from "node:child_process";

export interface Contestant {
  readonly name: string;
  /** Run before each measurement, not timed. */
  readonly prepare?: () => void;
  readonly command: readonly [program: string, ...args: string[]];
  /** Called with the standard output of each run. */
  readonly onOutput?: (stdout: string) => void;
}

/** Seconds of wall time of each run, by contestant. */
export type Timings = ReadonlyMap<string, number[]>;

export function runOnce(command: readonly [string, ...string[]]): string {
  const [program, ...args] = command;
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (error !== undefined) throw error;
  if (status !== 0)
    throw new Error(`${command.join(" ")} ended with ${status}: ${stdout}${stderr}`);
  return stdout;
}

export function compete(contestants: readonly Contestant[], runs: number): Timings {
  const timings = new Map<string, number[]>(contestants.map(({ name }) => [name, []]));
  for (let run = 0; run < runs; run++) {
    for (const { name, prepare, command, onOutput } of contestants) {
      prepare?.();
      const start = performance.now();
      const stdout = runOnce(command);
      timings.get(name)?.push((performance.now() - start) / 1000);
      onOutput?.(stdout);
    }
  }
  return timings;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

/** The median of the ratios run by run: what a slow minute of the machine disturbs least. */
export function ratio(timings: Timings, ours: string, theirs: string): number {
  const [a = [], b = []] = [timings.get(ours), timings.get(theirs)];
  return median(a.map((seconds, run) => seconds / (b[run] ?? Number.NaN)));
}
