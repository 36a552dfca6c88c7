/** How the engine ends, and what the status says then. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { ContainerState, Pod } from "kubernetes-types/core/v1.d.ts";
import { describe, expect, test } from "vitest";
import { StatusBounds } from "../../../src/api/status.ts";
import { wantsLog } from "../../../src/operator/plan/needs.ts";
import type { Observation } from "../../../src/operator/plan/observation.ts";
import { plan } from "../../../src/operator/plan/plan.ts";
import {
  NOW,
  actions,
  at,
  conditions,
  endedEngine,
  jobFor,
  observed,
  podOf,
  readyMessage,
  runningEngine,
} from "./builders.ts";
import { expectKstatus } from "./kstatus.ts";
import { comparing, mismatch, noSpace, result } from "./lines.ts";

const job = jobFor();

function failedJob(reason = "BackoffLimitExceeded", changes: Partial<Job> = {}): Job {
  const condition = { type: "Failed", status: "True", reason, lastTransitionTime: at(20) };
  return { ...job, status: { failed: 1, conditions: [condition] }, ...changes };
}

function completeJob(): Job {
  return { ...job, status: { succeeded: 1, conditions: [{ type: "Complete", status: "True" }] } };
}

function failedPod(engine?: ContainerState, changes: Partial<Pod> = {}): Pod {
  const status = { phase: "Failed", ...changes.status };
  return podOf(job, { ...changes, ...(engine && { engine }), status });
}

function expectSettled(observation: Observation) {
  const planned = plan(observation);
  expect(planned.actions).toEqual([]);
  expect(planned).not.toHaveProperty("lookAgainSeconds");
  expect(planned.announcements).toHaveLength(1);
  expectKstatus({ ...observation.resource, status: planned.status });
  const later = { ...observation, status: planned.status, now: new Date(at(999)) };
  expect(plan(later)).toEqual({ actions: [], announcements: [], status: planned.status });
  return planned;
}

describe("success", () => {
  const done = podOf(job, { engine: endedEngine(0, result), status: { phase: "Succeeded" } });

  test.each<[string, Partial<Observation>]>([
    ["before the Job controller has seen it", { jobs: [job], pods: [done] }],
    ["once the Job is complete", { jobs: [completeJob()], pods: [done] }],
    [
      "of a Job that is being deleted",
      { jobs: [{ ...job, metadata: { ...job.metadata, deletionTimestamp: at(5) } }], pods: [done] },
    ],
    [
      "of a Job with other settings",
      { jobs: [{ ...job, metadata: { ...job.metadata, annotations: {} } }], pods: [done] },
    ],
    [
      "beside a container that goes on",
      { jobs: [job], pods: [{ ...done, status: { ...done.status, phase: "Running" } }] },
    ],
    ["after failures", { jobs: [completeJob()], pods: [failedPod(endedEngine(1, noSpace)), done] }],
  ])("%s", (_, changes) => {
    const planned = expectSettled(observed(changes));
    expect(planned.status).toMatchObject({
      phase: "Succeeded",
      completionTime: at(0),
      startTime: at(3),
      node: "node-1",
      savings: { savedBytes: 2048 },
    });
    expect(conditions(planned.status)).toContain("Ready=True/OverlayReady");
    expect(planned.announcements).toMatchObject([{ type: "Normal", reason: "OverlayReady" }]);
  });

  test("counts although the resource has been suspended meanwhile", () => {
    const suspended = observed({ jobs: [job], pods: [done], fields: { "spec.suspend": true } });
    expect(conditions(expectSettled(suspended).status)).toContain("Ready=True/OverlayReady");
  });

  test("of an estimate has its figures", () => {
    const line = { ...result, mode: "Estimate", output: { ...result.output, path: null } };
    const pods = [podOf(job, { engine: endedEngine(0, line), status: { phase: "Succeeded" } })];
    const planned = expectSettled(
      observed({ jobs: [job], pods, fields: { "spec.mode": "Estimate" } }),
    );
    expect(conditions(planned.status)).toEqual(["Ready=True/Estimated"]);
    expect(planned.status.output?.fileSizeBytes).toBe(2048);
  });

  const enormous = { ...result, savings: { ...result.savings, percent: 1e300 } };
  test.each<[string, unknown]>([
    ["nothing", undefined],
    ["no JSON", "{"],
    ["null", null],
    ["a report of another kind", { ...result, output: [] }],
    ["another mode's report", { ...result, mode: "Estimate" }],
    ["a failure", noSpace],
    ["a figure out of all bounds", enormous],
    [
      "a chain that does not fit",
      { ...result, backingChain: [{ path: "/x", format: "f".repeat(99), backingFile: null }] },
    ],
  ])("with %s as the report has lost its figures", (_, message) => {
    const pods = [podOf(job, { engine: endedEngine(0, message), status: { phase: "Succeeded" } })];
    const planned = expectSettled(observed({ jobs: [completeJob()], pods }));
    expect(conditions(planned.status)).toEqual([
      "Ready=True/ResultLost",
      "Verified=True/ContentIdentical",
    ]);
    expect(readyMessage(planned)).toBe(
      "The overlay is thin-images/web-01.qcow2; its figures are lost, because the engine's pod has no report that can be read.",
    );
  });

  test("whose pod is gone has lost its figures", () => {
    const complete = completeJob();
    const startTime = at(-30);
    const jobs = [{ ...complete, status: { ...complete.status, startTime } }];
    const fields = { "spec.verification": "Metadata" };
    const planned = expectSettled(observed({ jobs, fields }));
    expect(conditions(planned.status)).toEqual([
      "Ready=True/ResultLost",
      "Verified=True/MetadataConsistent",
    ]);
    expect(readyMessage(planned)).toContain(
      "the engine's pod was deleted before its report was read",
    );
    expect(planned.status).toMatchObject({ attempts: 1, startTime });
  });

  test("of an estimate whose pod is gone is a failure: it was nothing but figures", () => {
    const fields = { "spec.mode": "Estimate" };
    const planned = expectSettled(observed({ jobs: [completeJob()], fields }));
    expect(conditions(planned.status)).toEqual([
      "Ready=False/ResultLost",
      "Stalled=True/ResultLost",
    ]);
    expect(readyMessage(planned)).toContain("Make another ImageDiff to have the figures.");
  });
});

const failures: [reason: string, message: string, pod: Pod, exitCode?: number][] = [
  ["SizeMismatch", mismatch.message, failedPod(endedEngine(3, mismatch)), 3],
  ["NoSpace", noSpace.message, failedPod(endedEngine(1, noSpace)), 1],
  [
    "InternalError",
    "The engine ended with exit code 1 and did not say why; see its log.",
    failedPod(endedEngine(1, "garbage")),
    1,
  ],
  [
    "InternalError",
    "The engine ended with exit code 2 and did not say why",
    failedPod(endedEngine(2, { ...mismatch, reason: "Made-up" })),
    2,
  ],
  [
    "OutOfMemory",
    "more memory than its limit of 512Mi: it needs a higher spec.job.resources.limits.memory",
    failedPod(endedEngine(137, undefined, "OOMKilled")),
    137,
  ],
  [
    "EngineKilled",
    "The engine was killed from outside (exit code 137): somebody deleted pod",
    failedPod(endedEngine(137, undefined)),
    137,
  ],
  [
    "EngineKilled",
    "(exit code 143)",
    failedPod(endedEngine(143, { ...noSpace, reason: "Interrupted" })),
    143,
  ],
  [
    "Evicted",
    "The node evicted pod imagediff-",
    failedPod(undefined, { status: { reason: "Evicted", message: "The node was low on memory." } }),
  ],
  [
    "Disrupted",
    "was taken from its node, which does not count as a failure: drained.",
    failedPod(endedEngine(143, { ...noSpace, reason: "Interrupted" }), {
      status: { conditions: [{ type: "DisruptionTarget", status: "True", message: "drained" }] },
    }),
    143,
  ],
  [
    "SizeMismatch",
    mismatch.message,
    failedPod(endedEngine(3, mismatch), {
      status: { conditions: [{ type: "DisruptionTarget", status: "True" }] },
    }),
    3,
  ],
  [
    "ContainerNotStarted",
    "could not be started: no such file. Check the controller's engine image.",
    failedPod(endedEngine(128, "no such file", "StartError")),
    128,
  ],
  [
    "PodRefused",
    "Node node-1 did not start pod imagediff-",
    failedPod(undefined, { status: { reason: "OutOfcpu", message: "Pod was rejected" } }),
  ],
];

describe("failure", () => {
  test.each(failures)("%s: %s", (reason, message, pod, exitCode) => {
    const planned = expectSettled(observed({ jobs: [failedJob()], pods: [pod] }));
    expect(conditions(planned.status)).toEqual([`Ready=False/${reason}`, `Stalled=True/${reason}`]);
    expect(planned.status).toMatchObject({ phase: "Failed", completionTime: at(0), attempts: 1 });
    expect(planned.status.lastFailure).toMatchObject({ reason, message: readyMessage(planned) });
    expect(planned.status.lastFailure?.exitCode).toBe(exitCode);
    expect(readyMessage(planned)).toContain(message);
    expect(planned.announcements).toMatchObject([{ type: "Warning", reason }]);
  });

  test.each(failures)("%s is tried again while the Job goes on", (reason, message, pod) => {
    const observation = observed({ jobs: [job], pods: [pod] });
    const planned = plan(observation);
    expect(conditions(planned.status)).toEqual([
      `Ready=False/${reason}`,
      `Reconciling=True/${reason}`,
    ]);
    expect(planned.status).toMatchObject({ phase: "Waiting", lastFailure: { reason } });
    expect(planned.status).not.toHaveProperty("completionTime");
    expect(readyMessage(planned)).toContain(message);
    expect(planned.announcements).toMatchObject([{ type: "Warning", reason }]);
    // The end of it is news again.
    const last = plan({ ...observation, status: planned.status, jobs: [failedJob()] });
    expect(last.announcements).toMatchObject([{ type: "Warning", reason }]);
  });

  test("is that of the last pod", () => {
    const first = failedPod(endedEngine(1, noSpace));
    const second = failedPod(endedEngine(3, mismatch), { metadata: { creationTimestamp: at(30) } });
    const { status } = plan(observed({ jobs: [failedJob()], pods: [second, first] }));
    expect(status).toMatchObject({ attempts: 2, lastFailure: { reason: "SizeMismatch" } });
  });

  test("of the verification is the Verified condition as well", () => {
    const line = { ...mismatch, reason: "VerificationFailed", exitCode: 4 };
    const { status } = plan(
      observed({ jobs: [failedJob()], pods: [failedPod(endedEngine(4, line))] }),
    );
    expect(conditions(status)).toContain("Verified=False/VerificationFailed");
  });

  test("after too long a time says what it spent that on", () => {
    const killed = failedPod(endedEngine(143, { ...noSpace, reason: "Interrupted" }));
    const late = { jobs: [failedJob("DeadlineExceeded")], pods: [killed] };
    const { status } = expectSettled(observed(late));
    expect(status.lastFailure?.message).toBe(
      "The work took longer than the 14400 seconds of spec.activeDeadlineSeconds, which begin with the Job: the time in which its pod does not start counts, and retries do.",
    );
    const lastFailure = { reason: "NoSpace", message: noSpace.message };
    const failedBefore = plan(observed({ ...late, status: { lastFailure } }));
    expect(readyMessage(failedBefore)).toMatch(/Before that: the output's file system is full[.]$/);
    const refusal = { reason: "Forbidden", message: "exceeded quota: q", at: NOW };
    const waited = plan(observed({ refusal })).status;
    expect(readyMessage(plan(observed({ ...late, status: waited })))).toContain(
      "Before that: The Job was refused: exceeded quota: q.",
    );
  });

  test.each<[string, Record<string, unknown>]>([
    ["DeadlineExceeded", { "spec.activeDeadlineSeconds": 86_400 }],
    ["BackoffLimitExceeded", { "spec.backoffLimit": 9 }],
    ["BackoffLimitExceeded", { "spec.job": { nodeSelector: { disk: "ssd" } } }],
  ])("by a limit (%s) that nobody has passed on to the Job yet is none: %j", (reason, fields) => {
    const edited = { ...fields, "metadata.generation": 2 };
    const planned = plan(observed({ fields: edited, jobs: [failedJob(reason)] }));
    expect(actions(planned)).toEqual(["DeleteJob"]);
    expect(planned.status.completionTime).toBeUndefined();
    // One that was passed on and is not so is the cluster's.
    const capped = plan(observed({ fields, jobs: [failedJob(reason)] }));
    expect(capped.status.phase).toBe("Failed");
  });

  test("by a limit that was lowered since is one, and tells the limit that it was", () => {
    const fields = { "spec.activeDeadlineSeconds": 60, "metadata.generation": 2 };
    const planned = plan(observed({ fields, jobs: [failedJob("DeadlineExceeded")] }));
    expect(planned.status.lastFailure?.message).toContain("the 14400 seconds");
    const permanent = observed({
      fields: { "spec.backoffLimit": 9, "metadata.generation": 2 },
      jobs: [failedJob("PodFailurePolicy")],
    });
    expect(plan(permanent).status.phase).toBe("Failed");
  });

  test("without any pod is told by the last failure that was seen", () => {
    const lastFailure = { reason: "NoSpace", message: noSpace.message, exitCode: 1 };
    const planned = plan(observed({ jobs: [failedJob()], status: { lastFailure } }));
    expect(planned.status.lastFailure).toEqual({
      reason: "BackoffLimitExceeded",
      message: `The engine failed more often than the 3 retries of spec.backoffLimit. The last failure: ${noSpace.message}`,
      exitCode: 1,
    });
    const unseen = plan(observed({ jobs: [failedJob()] }));
    expect(unseen.status.lastFailure?.reason).toBe("BackoffLimitExceeded");
  });

  test("for good, without any pod, is not told as too many attempts", () => {
    const lastFailure = { reason: "NoSpace", message: noSpace.message, exitCode: 1 };
    const jobs = [failedJob("PodFailurePolicy")];
    const { status } = plan(observed({ jobs, status: { lastFailure } }));
    expect(status.lastFailure?.reason).toBe("ReportLost");
    expect(status.lastFailure?.message).toContain("failed for good");
    expect(status.lastFailure?.message).not.toContain(noSpace.message);
  });

  test.each([
    ["before it was deleted", 21, "Ready=False/NoSpace", true],
    ["because it was deleted", 20, "Ready=False/ReplacingJob", false],
  ])("of a Job %s", (_, deletedAt, condition, final) => {
    const metadata = { ...job.metadata, deletionTimestamp: at(deletedAt) };
    const jobs = [failedJob("BackoffLimitExceeded", { metadata })];
    const { status } = plan(observed({ jobs, pods: [failedPod(endedEngine(1, noSpace))] }));
    expect(conditions(status)).toContain(condition);
    expect(status.completionTime !== undefined).toBe(final);
  });

  test("is not told before the Job controller has decided what follows", () => {
    const counted = failedPod(endedEngine(1, noSpace));
    const uncounted = {
      ...counted,
      metadata: { ...counted.metadata, finalizers: ["batch.kubernetes.io/job-tracking"] },
    };
    const target = { type: "FailureTarget", status: "True" };
    const undecided: Partial<Observation>[] = [
      { jobs: [job], pods: [uncounted] },
      { jobs: [{ ...job, status: { conditions: [target] } }], pods: [counted] },
    ];
    for (const changes of undecided) {
      const planned = plan(observed(changes));
      expect(conditions(planned.status)).toContain("Reconciling=True/Starting");
      expect(planned.announcements).toEqual([]);
    }
  });
});

describe("what the engine's log adds", () => {
  const silent = failedPod(endedEngine(1, undefined));
  const log = `{"type":"progress"}\nSegmentation fault\n${JSON.stringify(mismatch)}\n`;

  test("to a failure is the end of what is no report", () => {
    const observation = observed({ jobs: [failedJob()], pods: [silent], log });
    expect(plan(observation).status.lastFailure?.logTail).toBe("Segmentation fault");
    const long = plan({ ...observation, log: `${"🙂".repeat(9000)}!` }).status.lastFailure?.logTail;
    expect(long).toHaveLength(StatusBounds.logTail);
    expect(long?.endsWith("🙂!")).toBe(true);
    expect(long?.isWellFormed()).toBe(true);
    expect(plan({ ...observation, log: "{}" }).status.lastFailure?.logTail).toBe("{}");
    const nothing = plan({ ...observation, log: `${JSON.stringify(comparing)}\n` });
    expect(nothing.status.lastFailure).not.toHaveProperty("logTail");
  });

  test("stays although it is read once only, until there is another failure", () => {
    const observation = observed({ jobs: [job], pods: [silent], log });
    const { status } = plan(observation);
    const { log: _, ...unread } = observation;
    expect(plan({ ...unread, status }).status).toEqual(status);
    const next = failedPod(endedEngine(1, noSpace), { metadata: { creationTimestamp: at(30) } });
    const { lastFailure } = plan({ ...unread, status, pods: [silent, next] }).status;
    expect(lastFailure).toMatchObject({ reason: "NoSpace" });
    expect(lastFailure).not.toHaveProperty("logTail");
  });

  test.each<[string, boolean, Partial<Observation>]>([
    ["an engine at work", true, { pods: [podOf(job, { engine: runningEngine })] }],
    ["one that ended without a word", true, { pods: [silent] }],
    ["one that ended so for good", true, { jobs: [failedJob()], pods: [silent] }],
    ["one that gave its reason", false, { pods: [failedPod(endedEngine(1, noSpace))] }],
    ["one that has not started", false, { pods: [podOf(job)] }],
    ["none", false, {}],
    ["one that is done", false, { pods: [podOf(job, { engine: endedEngine(0, result) })] }],
    ["a finished resource's", false, { pods: [silent], status: { completionTime: at(1) } }],
  ])("is wanted of %s: %s", (_, expected, changes) => {
    expect(wantsLog(observed({ jobs: [job], ...changes }))).toBe(expected);
  });
});

test("an engine at work is no outcome", () => {
  const pods = [podOf(job, { engine: runningEngine })];
  expect(actions(plan(observed({ jobs: [job], pods })))).toEqual([]);
});
