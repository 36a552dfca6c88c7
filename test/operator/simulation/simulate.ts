/**
 * Runs of many seeds: each script once as it is and once with faults, which must end alike.
 *
 * A seed that fails is run alone by `SEED=123 npx vitest run --project unit simulation.unit`;
 * with `TRACE=1` too, all that happened in both of its runs is told.
 */
import { test, vi } from "vitest";
import { faultsOf, none, type Faults } from "./faults.ts";
import { differences } from "./outcome.ts";
import { Random } from "./random.ts";
import { run, type Run } from "./run.ts";
import type { Script } from "./script.ts";
import { scriptOf } from "./scripts.ts";

/** The default metrics of a process watch it for as long as it lives: not thousands of times. */
vi.mock("prom-client", async (original) => ({
  ...(await original<typeof import("prom-client")>()),
  collectDefaultMetrics: () => undefined,
}));

/** Seeds of one test. */
const BATCH = 20;

/** Tests so many seeds, from the first on; or the one that was asked for. */
export function simulate(first: number, count: number): void {
  for (const { from, to } of batches(first, count)) {
    test(`seeds ${from} to ${to}`, async () => {
      for (let seed = from; seed <= to; seed += 1) await expectSame(seed);
    });
  }
}

function batches(first: number, count: number): { from: number; to: number }[] {
  const wanted = process.env["SEED"];
  if (wanted !== undefined) return [{ from: Number(wanted), to: Number(wanted) }];
  return Array.from({ length: count / BATCH }, (_, index) => {
    const from = first + index * BATCH;
    return { from, to: from + BATCH - 1 };
  });
}

/** Runs a seed, and fails with all that is needed to understand why. */
export async function expectSame(seed: number): Promise<void> {
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  process.on("unhandledRejection", note);
  process.on("uncaughtException", note);
  const random = new Random(seed);
  const script = scriptOf(random.fork());
  const faults = faultsOf(random.fork());
  try {
    const calm = await run(script, none, random.fork());
    const faulty = await run(script, faults, random.fork());
    const problems = [
      ...calm.problems.map((problem) => `without faults, ${problem}`),
      ...faulty.problems.map((problem) => `with faults, ${problem}`),
      ...unhandled.map((error) => `unhandled: ${String(error)}`),
    ];
    // What was broken off has not come to its end.
    if (problems.length === 0) problems.push(...differences(calm.outcome, faulty.outcome));
    if (problems.length === 0) return;
    const told = report(seed, script, faults, { calm, faulty });
    throw new Error(`${problems.join("\n")}\n${told}`);
  } finally {
    process.off("unhandledRejection", note);
    process.off("uncaughtException", note);
  }
}

function report(
  seed: number,
  script: Script,
  faults: Faults,
  runs: { calm: Run; faulty: Run },
): string {
  const traces = Object.entries(runs).map(
    ([name, { trace }]) => `--- ${name}\n${trace.toString()}`,
  );
  return [
    `SEED=${seed}`,
    `script: ${JSON.stringify(script)}`,
    `faults: ${JSON.stringify(faults)}`,
    ...(process.env["TRACE"] === undefined ? ["TRACE=1 tells all that happened."] : traces),
  ].join("\n");
}
