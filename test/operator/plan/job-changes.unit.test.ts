/** What becomes of a Job when its resource is edited, and when somebody deletes it. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import { describe, expect, test } from "vitest";
import type { Observation } from "../../../src/operator/plan/observation.ts";
import { plan } from "../../../src/operator/plan/plan.ts";
import {
  actions,
  at,
  bound,
  claimsWith,
  conditions,
  endedEngine,
  jobFor,
  observed,
  podOf,
  readyMessage,
  runningEngine,
} from "./builders.ts";
import { expectKstatus } from "./kstatus.ts";
import { comparing, noSpace, result } from "./lines.ts";

const job = jobFor();
const atWork = podOf(job, { engine: runningEngine, status: { phase: "Running" } });
const suspend = { "spec.suspend": true };

function withSpec(spec: Partial<Job["spec"] & {}>): Job {
  return { ...job, spec: { ...job.spec, template: job.spec?.template ?? {}, ...spec } };
}

/** The Job once the Job controller has stopped it. */
function stopped(): Job {
  const lastTransitionTime = at(8);
  const condition = { type: "Suspended", status: "True", lastTransitionTime };
  return { ...withSpec({ suspend: true }), status: { conditions: [condition] } };
}

function leaving(of: Job = job): Job {
  return { ...of, metadata: { ...of.metadata, deletionTimestamp: at(2) } };
}

function planned(changes: Parameters<typeof observed>[0]) {
  const observation = observed(changes);
  const made = plan(observation);
  expectKstatus({ ...observation.resource, status: made.status });
  const again = plan({ ...observation, status: made.status });
  expect(again).toMatchObject({ status: made.status, announcements: [] });
  return made;
}

const user = (name: string, claimName: string) => {
  const volumes = [{ name: "v", persistentVolumeClaim: { claimName } }];
  return { pod: { metadata: { name }, spec: { containers: [], volumes, nodeName: "node-9" } } };
};

describe("spec.suspend", () => {
  test("makes no Job", () => {
    const made = planned({ fields: suspend });
    expect(actions(made)).toEqual([]);
    expect(made.status.phase).toBe("Suspended");
    expect(conditions(made.status)).toEqual(["Ready=False/Suspended"]);
    expect(readyMessage(made)).toBe("spec.suspend is true; set it to false to start the work.");
    expect(made.announcements).toEqual([]);
  });

  test("stops the Job, and is Reconciling until its pod has ended", () => {
    const before = plan(observed({ jobs: [job], pods: [atWork], log: JSON.stringify(comparing) }));
    expect(before.status.progress).toBeDefined();
    const stopping = planned({
      fields: suspend,
      jobs: [job],
      pods: [atWork],
      status: before.status,
    });
    expect(actions(stopping)).toEqual(['UpdateJob {"suspend":true}']);
    expect(stopping.actions).toMatchObject([{ name: job.metadata?.name, uid: "job-uid" }]);
    expect(stopping.status).toMatchObject({ phase: "Suspended", attempts: 1 });
    expect(stopping.status).not.toHaveProperty("progress");
    expect(conditions(stopping.status)).toContain("Reconciling=True/Suspending");
    expect(readyMessage(stopping)).toBe("spec.suspend is true; the engine is being stopped.");

    const jobs = [stopped()];
    const { status } = stopping;
    const rests = planned({ fields: suspend, jobs, status, now: new Date(at(9)) });
    expect(actions(rests)).toEqual([]);
    expect(conditions(rests.status)).toEqual([
      "Ready=False/Suspended",
      "Schedulable=True/Scheduled",
    ]);

    const resumed = planned({ jobs, status: rests.status });
    expect(actions(resumed)).toEqual(['UpdateJob {"suspend":false}']);
    expect(resumed.status.phase).toBe("Pending");
    expect(resumed.announcements).toEqual([]);
    expect(actions(planned({ jobs: [job], status: resumed.status }))).toEqual([]);
  });

  test("lets a pod be that has ended", () => {
    const ended = podOf(job, { engine: endedEngine(1, noSpace), status: { phase: "Failed" } });
    const made = planned({ fields: suspend, jobs: [stopped()], pods: [ended] });
    expect(conditions(made.status)).toContain("Ready=False/Suspended");
  });

  test.each<[string, Partial<Observation>]>([
    ["the Job is yet to be told", { jobs: [job] }],
    ["the Job controller is yet to hear of it", { jobs: [withSpec({ suspend: true })] }],
    ["a pod that nobody has seen is active", { jobs: [{ ...stopped(), status: { active: 1 } }] }],
    ["nobody has seen the Job itself", { load: { ...observed().load, starting: true } }],
  ])("does not say that nothing runs where %s", (_, changes) => {
    const made = planned({ fields: suspend, ...changes });
    expect(conditions(made.status)).toContain("Reconciling=True/Suspending");
  });

  const suspended = { jobs: [withSpec({ suspend: true })] };

  test("goes on only when nothing is in the way, as at the start", () => {
    const inUse = planned({ ...suspended, users: [user("vm", "golden")] });
    expect(actions(inUse)).toEqual([]);
    expect(conditions(inUse.status)).toContain("Ready=False/SourcesInUse");
    const observation = observed(suspended);
    const full = plan({ ...observation, settings: { ...observation.settings, maxJobs: 0 } });
    expect(full).toMatchObject({ actions: [], waitsForPlace: true });
  });

  test("goes on with another Job where the claims are on another node now", () => {
    const claims = claimsWith(bound("thin-images", { accessModes: ["ReadWriteOnce"] }));
    const users = [user("p", "thin-images")];
    const moved = planned({ ...suspended, claims, users });
    expect(actions(moved)).toEqual(["DeleteJob"]);
    expect(readyMessage(moved)).toContain("is bound to a node where the claims are no longer");
    const there = jobFor(observed({ claims, users }));
    const jobs = [
      { ...there, spec: { ...there.spec, template: there.spec?.template ?? {}, suspend: true } },
    ];
    expect(actions(planned({ jobs, claims, users }))).toEqual(['UpdateJob {"suspend":false}']);
    expect(actions(planned({ jobs, claims }))).toEqual(["DeleteJob"]);
  });
});

describe("a source that comes into use", () => {
  const users = [user("vm", "web-01-root")];

  test.each<[string, Partial<Observation>]>([
    ["before the Job has a pod", {}],
    ["before the engine starts", { pods: [podOf(job)] }],
    [
      "between two attempts",
      { pods: [podOf(job, { engine: endedEngine(1, noSpace), status: { phase: "Failed" } })] },
    ],
  ])("%s suspends the Job until it is idle", (_, changes) => {
    const withheld = planned({ jobs: [job], users, ...changes });
    expect(actions(withheld)).toEqual(['UpdateJob {"suspend":true}']);
    expect(conditions(withheld.status)).toEqual(
      expect.arrayContaining(["SourcesIdle=False/SourcesInUse", "Reconciling=True/SourcesInUse"]),
    );
    expect(withheld.status.phase).toBe("Waiting");
    const { status } = withheld;
    const jobs = [withSpec({ suspend: true })];
    expect(actions(planned({ jobs, users, status }))).toEqual([]);
    expect(actions(planned({ jobs, status }))).toEqual(['UpdateJob {"suspend":false}']);
  });

  test("does not stop an engine at work, which notices changes itself", () => {
    const going = planned({ jobs: [job], pods: [atWork], users });
    expect(actions(going)).toEqual([]);
    expect(going.status.phase).toBe("Starting");
  });
});

describe("a controller that ended between an action and the status", () => {
  const engine = endedEngine(0, result);
  const done = podOf(job, { engine, status: { phase: "Succeeded" } });

  test.each<[string, Partial<Observation>]>([
    ["has made the Job", {}],
    ["finds its engine at work", { pods: [atWork] }],
    ["finds it done", { pods: [done] }],
  ])("and that %s no longer says what was in the way", (_, changes) => {
    const claims = claimsWith(
      bound("golden", { accessModes: ["ReadWriteOnce"] }),
      bound("thin-images", { accessModes: ["ReadWriteOnce"] }),
    );
    const holders = [user("a", "thin-images"), user("vm", "golden")];
    const { status } = planned({
      users: holders,
      claims,
      fields: { "spec.sourceUse": "AllowReadOnly" },
    });
    expect(conditions(status)).toContain("SourcesIdle=False/SourcesInUse");
    const found = planned({ jobs: [job], status, ...changes });
    expect(conditions(found.status)).toContain("SourcesIdle=True/Idle");
    expect(conditions(found.status).join()).not.toContain("Schedulable=False");
  });
});

describe("fields that a Job may change", () => {
  test.each<[string, Record<string, unknown>, string[]]>([
    ["backoffLimit", { "spec.backoffLimit": 7 }, ['UpdateJob {"backoffLimit":7}']],
    [
      "activeDeadlineSeconds",
      { "spec.activeDeadlineSeconds": 60 },
      ['UpdateJob {"activeDeadlineSeconds":60}'],
    ],
    [
      "both, and suspend",
      { "spec.backoffLimit": 7, "spec.activeDeadlineSeconds": 60, ...suspend },
      ['UpdateJob {"suspend":true,"backoffLimit":7,"activeDeadlineSeconds":60}'],
    ],
    ["ttlSecondsAfterFinished", { "spec.ttlSecondsAfterFinished": 60 }, []],
    ["sourceUse", { "spec.sourceUse": "AllowReadOnly" }, []],
  ])("%s", (_, fields, expected) => {
    expect(actions(planned({ fields, jobs: [job] }))).toEqual(expected);
    expect(actions(planned({ fields, jobs: [job], pods: [atWork] }))).toEqual(expected);
  });
});

describe("settings that a Job cannot change", () => {
  const fields = { "spec.job": { resources: { limits: { memory: "1Gi" } } } };

  test("have it deleted, and made again once it and its pods are gone", () => {
    const replaced = planned({ fields, jobs: [job], pods: [atWork] });
    expect(replaced.actions).toEqual([
      { type: "DeleteJob", name: job.metadata?.name, uid: "job-uid" },
    ]);
    expect(conditions(replaced.status)).toContain("Reconciling=True/ReplacingJob");
    expect(readyMessage(replaced)).toBe(
      `Job ${job.metadata?.name} was made with other settings in spec.job; the work starts anew once it and its pod are gone.`,
    );
    expect(replaced.announcements).toEqual([]);
    const { status } = replaced;
    for (const pods of [[atWork], []]) {
      expect(actions(planned({ fields, jobs: [leaving()], pods, status }))).toEqual([]);
    }
    expect(actions(planned({ fields, status }))).toEqual(["CreateJob"]);
  });

  test("go before suspend", () => {
    const both = planned({ fields: { ...fields, ...suspend }, jobs: [job] });
    expect(actions(both)).toEqual(["DeleteJob"]);
    const gone = planned({ fields: { ...fields, ...suspend }, status: both.status });
    expect(conditions(gone.status)).toEqual(["Ready=False/Suspended"]);
  });

  test("of a Job by another name are no settings of ours", () => {
    const other = { ...job, metadata: { ...job.metadata, name: "imagediff-old" } };
    expect(actions(planned({ jobs: [other] }))).toEqual(["DeleteJob"]);
  });
});

test("another controller's image and defaults leave the Job alone", () => {
  const settings = { engineImage: "registry.example/imagediff:2", resources: {} };
  expect(actions(planned({ jobs: [job], settings }))).toEqual([]);
});

describe("a Job that somebody deleted", () => {
  test("is waited for, and made again", () => {
    const waiting = planned({ jobs: [leaving()], pods: [atWork] });
    expect(actions(waiting)).toEqual([]);
    expect(readyMessage(waiting)).toContain("is being deleted; the work starts anew");
    expect(actions(planned({ status: waiting.status }))).toEqual(["CreateJob"]);
  });

  test("may have left its pod behind, which is waited for", () => {
    const leftover = { ...atWork, metadata: { ...atWork.metadata, deletionTimestamp: at(2) } };
    for (const changes of [{ pods: [leftover] }, { users: [{ pod: leftover }] }]) {
      const waiting = planned(changes);
      expect(actions(waiting)).toEqual([]);
      expect(conditions(waiting.status)).toContain("Reconciling=True/ReplacingJob");
      expect(readyMessage(waiting)).toContain(`Pod ${leftover.metadata.name} has outlived its Job`);
    }
    const ended = { ...leftover, status: { phase: "Failed" } };
    expect(actions(planned({ pods: [ended] }))).toEqual(["CreateJob"]);
  });
});

describe("a pod that no node can take", () => {
  const holder = user("guest", "thin-images");
  const claims = claimsWith(bound("thin-images", { accessModes: ["ReadWriteOnce"] }));
  const pinned = jobFor(observed({ users: [holder], claims }));
  const condition = { type: "PodScheduled", status: "False", reason: "Unschedulable" };
  const stuck = podOf(pinned, { status: { phase: "Pending", conditions: [condition] } });
  const stands = { jobs: [pinned], pods: [stuck], claims };

  test("is made anew where its node is one that the claims have left", () => {
    const made = planned(stands);
    expect(actions(made)).toEqual(["DeleteJob"]);
    expect(readyMessage(made)).toContain("is bound to node node-9, where the claims are no longer");
  });

  test("is made anew too where a pod wants the claims that waits for this one", () => {
    const { nodeName: _, ...spec } = holder.pod.spec;
    const unplaced = { pod: { ...holder.pod, spec, status: { phase: "Pending" } } };
    const made = planned({ ...stands, users: [unplaced] });
    expect(actions(made)).toEqual(["DeleteJob"]);
  });

  test.each<object | null>([
    { key: "metadata.name", operator: "NotIn", values: ["node-3"] },
    { key: "metadata.name", operator: "In", values: ["node-3"] },
    null,
  ])("stays where it was the user who named a node: %j", (field) => {
    const required = { nodeSelectorTerms: [{ matchFields: [field] }] };
    const nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution: required };
    const fields = { "spec.job.affinity": { nodeAffinity } };
    const named = jobFor(observed({ fields }));
    const pods = [podOf(named, { status: { phase: "Pending", conditions: [condition] } })];
    const made = planned({ fields, jobs: [named], pods });
    expect(actions(made)).toEqual([]);
    expect(conditions(made.status)).toContain("Ready=False/Unschedulable");
  });

  test("stays as long as the claims are there", () => {
    const made = planned({ ...stands, users: [holder] });
    expect(actions(made)).toEqual([]);
    expect(conditions(made.status)).toContain("Ready=False/Unschedulable");
  });
});
