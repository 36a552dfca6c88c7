/** How many pods have tried to do the work, since when, and where last. */
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { expect, test } from "vitest";
import { attempted } from "../../../src/operator/plan/attempts.ts";
import type { Observation } from "../../../src/operator/plan/observation.ts";
import { at, endedEngine, jobFor, NOW, observed, podOf, runningEngine } from "./builders.ts";
import { noSpace } from "./lines.ts";

const job = jobFor();
const atWork = podOf(job, { engine: runningEngine });
const failed = podOf(job, { engine: endedEngine(1, noSpace), status: { phase: "Failed" } });
const neverStarted = podOf(job, {
  engine: { terminated: { exitCode: 128, startedAt: "1970-01-01T00:00:00Z" } },
  status: { phase: "Failed" },
});
const takenAway = podOf(job, {
  status: { phase: "Failed", conditions: [{ type: "DisruptionTarget", status: "True" }] },
});
const counted = (status: object) => [{ ...job, status }];

function onNode(pod: Pod, nodeName: string, created: number): Pod {
  const spec = { containers: [], ...pod.spec, nodeName };
  return { ...pod, spec, metadata: { ...pod.metadata, creationTimestamp: at(created) } };
}

test.each<[string, number | undefined, Partial<Observation>]>([
  ["nothing has started", undefined, { jobs: [job], pods: [podOf(job)] }],
  ["a container could not be started", 1, { jobs: [job], pods: [neverStarted] }],
  ["a pod was taken away before its start", undefined, { jobs: [job], pods: [takenAway] }],
  ["the engine is at work", 1, { jobs: [job], pods: [atWork] }],
  [
    "it is at work after failures that were counted",
    3,
    { jobs: counted({ failed: 2, active: 1 }), pods: [atWork] },
  ],
  ["it failed and is not counted yet", 1, { jobs: [job], pods: [failed] }],
  ["it failed and is counted", 2, { jobs: counted({ failed: 2 }), pods: [failed] }],
  ["it has done its work at last", 3, { jobs: counted({ failed: 2, succeeded: 1 }) }],
  ["pods were ended that the Job does not count", 2, { jobs: [job], pods: [failed, atWork] }],
  ["more was seen before", 5, { jobs: [job], pods: [atWork], status: { attempts: 5 } }],
])("attempts where %s: %s", (_, attempts, changes) => {
  expect(attempted(observed(changes)).attempts).toBe(attempts);
});

test("the start is that of the first engine, and stays", () => {
  const pods = [onNode(atWork, "b", 20), onNode(failed, "a", 10)];
  const status = attempted(observed({ jobs: [job], pods }));
  expect(status).toMatchObject({ attempts: 2, startTime: at(3), node: "b" });
  const later = { jobs: [job], pods: [atWork], status: { ...status, startTime: at(-5) } };
  expect(attempted(observed(later)).startTime).toBe(at(-5));
});

test("the start is as well known as it can be", () => {
  const done = counted({ succeeded: 1, startTime: at(-60) });
  expect(attempted(observed({ jobs: done })).startTime).toBe(at(-60));
  const unknown = observed({ jobs: counted({ succeeded: 1 }), now: NOW });
  expect(attempted(unknown).startTime).toBe(at(0));
});
