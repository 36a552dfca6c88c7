/** Resources that are finished, that go, or that are not for this version. */
import { describe, expect, test } from "vitest";
import type { ImageDiffStatus } from "../../../src/api/status.ts";
import type { Observation } from "../../../src/operator/plan/observation.ts";
import { plan, planInvalid } from "../../../src/operator/plan/plan.ts";
import { Failure } from "../../../src/report/reasons.ts";
import {
  actions,
  at,
  conditions,
  endedEngine,
  jobFor,
  NOW,
  observed,
  podOf,
  UID,
} from "./builders.ts";
import { expectKstatus, kstatusOf } from "./kstatus.ts";
import { mismatch, result } from "./lines.ts";

const job = jobFor();
const finishedStatus = (exitCode: number, line: unknown, phase: string): ImageDiffStatus => {
  const pods = [podOf(job, { engine: endedEngine(exitCode, line), status: { phase } })];
  const conditionTypes = [{ type: "Failed", status: "True" }];
  const jobs = exitCode === 0 ? [job] : [{ ...job, status: { conditions: conditionTypes } }];
  return plan(observed({ jobs, pods })).status;
};
const succeeded = finishedStatus(0, result, "Succeeded");
const failed = finishedStatus(3, mismatch, "Failed");

describe.each([
  ["succeeded", succeeded],
  ["failed", failed],
])("a resource that has %s", (_, status) => {
  test.each<[string, Parameters<typeof observed>[0]]>([
    ["nothing changes", {}],
    ["its Job is gone", { jobs: [], pods: [] }],
    ["its Job is still unfinished", { jobs: [job] }],
    ["its claims are gone", { claims: new Map() }],
    ["the controller has another engine", { settings: { engineImage: "new", resources: {} } }],
    ["it is suspended", { fields: { "spec.suspend": true } }],
    ["its Job's settings change", { fields: { "spec.job": { labels: { a: "b" } } } }],
  ])("does nothing when %s", (__, changes) => {
    const planned = plan(observed({ status, ...changes, now: new Date(at(1e6)) }));
    expect(planned).toEqual({ actions: [], announcements: [], status });
  });

  test("is about the present generation, or else it would count as unfinished", () => {
    const fields = { "metadata.generation": 4, "spec.suspend": true };
    const observation = observed({ status, fields });
    expect(kstatusOf({ ...observation.resource, status })).toBe("InProgress");
    const planned = plan(observation);
    const verdict = expectKstatus({ ...observation.resource, status: planned.status });
    expect(verdict).toBe(status === succeeded ? "Current" : "Failed");
    const times = (of: ImageDiffStatus) => of.conditions?.map((each) => each.lastTransitionTime);
    expect(times(planned.status)).toEqual(times(status));
  });

  test("goes when its time to live is over", () => {
    const fields = { "spec.ttlSecondsAfterFinished": 60 };
    const after = (seconds: number) =>
      plan(observed({ status, fields, now: new Date(at(seconds)) }));
    expect(after(0)).toEqual({ actions: [], announcements: [], status, lookAgainSeconds: 60 });
    expect(after(59.5).lookAgainSeconds).toBe(1);
    expect(after(60).actions).toEqual([{ type: "DeleteResource", uid: UID }]);
    expect(after(60).status).toEqual(status);
  });

  test("goes at once with no time to live, and is looked at each day with a long one", () => {
    const withTtl = (seconds: number) =>
      plan(observed({ status, fields: { "spec.ttlSecondsAfterFinished": seconds } }));
    expect(actions(withTtl(0))).toEqual(["DeleteResource"]);
    expect(withTtl(2 ** 31 - 1)).toMatchObject({ actions: [], lookAgainSeconds: 86_400 });
    const odd = observed({
      status: { ...status, completionTime: "?" },
      fields: { "spec.ttlSecondsAfterFinished": 1 },
    });
    expect(plan(odd)).not.toHaveProperty("lookAgainSeconds");
  });
});

describe("a resource that is being deleted", () => {
  const fields = { "metadata.deletionTimestamp": at(0), "metadata.generation": 5 };

  test.each<[string, Partial<Observation>]>([
    ["at work", { jobs: [job] }],
    ["finished", { status: succeeded }],
    ["new", {}],
  ])("%s is left to the garbage collector", (_, changes) => {
    const observation = observed({ fields, ...changes });
    expect(plan(observation)).toEqual({
      actions: [],
      announcements: [],
      status: observation.status,
    });
  });
});

describe("a resource that this version does not understand", () => {
  const failure = new Failure("InvalidManifest", "spec.mode: must be Diff or Estimate");
  const metadata = { name: "web-01", generation: 2 };

  test("is told what is wrong, and goes on once that is mended", () => {
    const made = plan(observed());
    const planned = planInvalid({ metadata, status: made.status }, failure, NOW);
    expect(planned.actions).toEqual([]);
    expect(conditions(planned.status)).toEqual([
      "SourcesIdle=True/Idle",
      "Ready=False/InvalidManifest",
      "Stalled=True/InvalidManifest",
    ]);
    expect(planned.status).toMatchObject({ phase: "Failed", observedGeneration: 2 });
    expect(planned.announcements).toEqual([
      { type: "Warning", reason: "InvalidManifest", message: failure.message },
    ]);
    expect(expectKstatus({ metadata, status: planned.status })).toBe("Failed");
    const again = planInvalid({ metadata, status: planned.status }, failure, new Date(at(9)));
    expect(again).toEqual({ actions: [], announcements: [], status: planned.status });
    const mended = plan(observed({ status: planned.status }));
    expect(actions(mended)).toEqual(["CreateJob"]);
    expect(conditions(mended.status)).toContain("Reconciling=True/JobCreated");
  });

  test("stays finished, and goes when it is deleted", () => {
    expect(conditions(planInvalid({ metadata }, failure, NOW).status)).toHaveLength(2);
    const finished = planInvalid({ metadata, status: succeeded }, failure, NOW);
    expect(conditions(finished.status)).toEqual(conditions(succeeded));
    expect(finished.status.observedGeneration).toBe(2);
    const deleted = { metadata: { ...metadata, deletionTimestamp: at(0) }, status: succeeded };
    expect(planInvalid(deleted, failure, NOW).status).toBe(succeeded);
    expect(planInvalid({ metadata: deleted.metadata }, failure, NOW).status).toEqual({});
  });
});
