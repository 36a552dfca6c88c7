/** A whole life of a resource, step by step, each plan on what the last one left. */
import { expect, test } from "vitest";
import type { Plan } from "../../../src/operator/plan/actions.ts";
import type { Observation } from "../../../src/operator/plan/observation.ts";
import { plan } from "../../../src/operator/plan/plan.ts";
import {
  actions,
  at,
  conditions,
  endedEngine,
  jobFor,
  observed,
  podOf,
  runningEngine,
} from "./builders.ts";
import { expectKstatus } from "./kstatus.ts";
import { comparing, result } from "./lines.ts";

/** Plans, expects that planning again changes nothing, and gives what the next plan starts from. */
function step(observation: Observation): { planned: Plan; next: Observation } {
  const planned = plan(observation);
  const verdict = expectKstatus({ ...observation.resource, status: planned.status });
  const next = { ...observation, status: planned.status };
  expect(plan(next).status, "a second look changes nothing").toEqual(planned.status);
  expect(plan(next).announcements).toEqual([]);
  expect(verdict).toBe(planned.status.completionTime === undefined ? "InProgress" : "Current");
  return { planned, next };
}

test("made, started, at work, done: five statuses and two announcements", () => {
  const job = jobFor();
  const told: string[] = [];
  const statuses = new Set<string>();
  let observation = observed();
  const next = (changes: Partial<Observation>) => {
    const { planned, next: after } = step({ ...observation, ...changes });
    observation = after;
    told.push(...planned.announcements.map(({ type, reason }) => `${type} ${reason}`));
    statuses.add(JSON.stringify(planned.status));
    return planned;
  };

  const made = next({});
  expect(actions(made)).toEqual(["CreateJob"]);
  expect(made.status).toMatchObject({ phase: "Pending", jobName: job.metadata?.name });
  expect(conditions(made.status)).toEqual([
    "SourcesIdle=True/Idle",
    "Ready=False/JobCreated",
    "Reconciling=True/JobCreated",
  ]);

  for (const pods of [[], [podOf(job, { spec: { containers: [] } })], [podOf(job)]]) {
    const waiting = next({ jobs: [job], pods });
    expect(waiting).toMatchObject({ actions: [], status: made.status, lookAgainSeconds: 5 });
  }

  const atWork = podOf(job, { engine: runningEngine, status: { phase: "Running" } });
  const started = next({ pods: [atWork], now: new Date(at(5)) });
  expect(started.status).toMatchObject({
    phase: "Starting",
    attempts: 1,
    startTime: at(3),
    node: "node-1",
  });
  expect(conditions(started.status)).toContain("Schedulable=True/Scheduled");

  const log = `noise\n${JSON.stringify(comparing)}\n{"type":"prog`;
  const compared = next({ log, now: new Date(at(8)) });
  expect(compared.status).toMatchObject({ phase: "Comparing", progress: { percent: 25 } });
  expect(compared.lookAgainSeconds).toBe(5);
  const verifying = { ...comparing, phase: "Verifying" };
  const verified = next({ log: `${log}\n${JSON.stringify(verifying)}\n` });
  expect(verified.status.phase).toBe("Verifying");

  const done = podOf(job, { engine: endedEngine(0, result), status: { phase: "Succeeded" } });
  const { log: _, ...without } = observation;
  observation = { ...without, now: new Date(at(10)) };
  const succeeded = next({ pods: [done] });
  expect(succeeded.status).toMatchObject({
    phase: "Succeeded",
    completionTime: at(10),
    attempts: 1,
    savings: { percent: 66 },
  });
  expect(conditions(succeeded.status)).toEqual([
    "SourcesIdle=True/Idle",
    "Ready=True/OverlayReady",
    "Schedulable=True/Scheduled",
    "Verified=True/ContentIdentical",
  ]);

  const complete = { type: "Complete", status: "True" };
  next({ jobs: [{ ...job, status: { conditions: [complete] } }] });
  next({ jobs: [], pods: [], now: new Date(at(100_000)) });
  expect(statuses.size).toBe(5);
  expect(told).toEqual(["Normal JobCreated", "Normal OverlayReady"]);
});
