/** A Job that is refused, that has no pod, or whose pod does not start. */
import type { ContainerState, Pod, PodStatus } from "kubernetes-types/core/v1.d.ts";
import { describe, expect, test } from "vitest";
import { needsHappenings } from "../../../src/operator/plan/needs.ts";
import type { Happening, Observation } from "../../../src/operator/plan/observation.ts";
import type { Plan } from "../../../src/operator/plan/actions.ts";
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
import { noSpace } from "./lines.ts";

const job = jobFor();
const JOB_NAME = job.metadata?.name;

function happening(kind: "Job" | "Pod", reason: string, message: string, seconds = 5): Happening {
  return { kind, reason, message, lastSeen: at(seconds) };
}

function expectWaiting(observation: Observation, reason: string): string {
  const planned = plan(observation);
  expect(actions(planned)).toEqual([]);
  expect(conditions(planned.status)).toContain(`Reconciling=True/${reason}`);
  expect(planned.status).toMatchObject({ phase: "Waiting" });
  expect(planned.announcements).toMatchObject([{ type: "Warning", reason }]);
  expectKstatus({ ...observation.resource, status: planned.status });
  const again = plan({ ...observation, status: planned.status });
  expect(again).toMatchObject({ status: planned.status, announcements: [] });
  return readyMessage(planned);
}

/** The sentences of the API server, each with what we make of it. */
const refusals: [reason: string, sentence: string, cure: string][] = [
  [
    "QuotaExceeded",
    'pods "x" is forbidden: exceeded quota: small, requested: memory=512Mi, used: memory=1Gi, limited: memory=1Gi',
    "ask for less in spec.job.resources",
  ],
  [
    "LimitRangeViolated",
    'pods "x" is forbidden: maximum memory usage per Container is 256Mi, but limit is 512Mi',
    "what the namespace's LimitRange allows",
  ],
  [
    "LimitRangeViolated",
    'pods "x" is forbidden: minimum cpu usage per Pod is 1, but request is 500m',
    "what the namespace's LimitRange allows",
  ],
  [
    "LimitRangeViolated",
    'pods "x" is forbidden: cpu max limit to request ratio per Container is 1, but provided ratio is 2',
    "what the namespace's LimitRange allows",
  ],
  [
    "PodSecurityViolated",
    'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
    "the namespace's Pod Security level",
  ],
  [
    "ServiceAccountMissing",
    'pods "x" is forbidden: error looking up service account vms/runner: serviceaccount "runner" not found',
    "Create the ServiceAccount",
  ],
];

function refusalOf(reason: string, cure: string): [string, string, string] {
  return [reason, "admission webhook denied it.", cure];
}

describe("a pod that is refused", () => {
  test.each([...refusals, refusalOf("PodRefused", "rule or webhook")])(
    "%s",
    (reason, sentence, cure) => {
      const happenings = [happening("Job", "FailedCreate", `Error creating: ${sentence}`)];
      const message = expectWaiting(observed({ jobs: [job], happenings }), reason);
      const lasting = sentence.replace('pods "x"', "the pod");
      expect(message).toContain(`The engine's pod was refused: Error creating: ${lasting}`);
      expect(message).toContain(cure);
    },
  );

  test("is the same news whatever name the Job controller made up for it", () => {
    const refusedAs = (name: string, seconds: number) =>
      happening("Job", "FailedCreate", `pods "${name}" is forbidden: exceeded quota: q`, seconds);
    const observation = observed({ jobs: [job], happenings: [refusedAs("a", 5)] });
    const { status } = plan(observation);
    const happenings = [refusedAs("b", 9), refusedAs("a", 5)];
    expect(plan({ ...observation, status, happenings }).status).toEqual(status);
  });

  test("is looked at again before long, and then less often", () => {
    const happenings = [happening("Job", "FailedCreate", "no")];
    const observation = observed({ jobs: [job], happenings });
    expect(plan(observation).lookAgainSeconds).toBe(5);
    expect(plan({ ...observation, now: new Date(at(60)) }).lookAgainSeconds).toBe(15);
  });

  test("has the newest refusal", () => {
    const happenings = [
      happening("Job", "FailedCreate", "the new one", 9),
      happening("Job", "FailedCreate", "the old one", 5),
    ];
    const message = expectWaiting(observed({ jobs: [job], happenings }), "PodRefused");
    expect(message).toContain("the new one");
  });

  test("is no news of a time before the last pod", () => {
    const failed = podOf(job, {
      engine: endedEngine(1, noSpace),
      status: { phase: "Failed" },
      metadata: { creationTimestamp: at(8) },
    });
    const happenings = [happening("Job", "FailedCreate", "no", 5)];
    expectWaiting(observed({ jobs: [job], pods: [failed], happenings }), "NoSpace");
    const since = [happening("Job", "FailedCreate", "no", 9)];
    expectWaiting(observed({ jobs: [job], pods: [failed], happenings: since }), "PodRefused");
  });
});

describe("a Job that is refused", () => {
  test.each([...refusals, refusalOf("JobRefused", "spec.job")])("%s", (reason, sentence, cure) => {
    const refusal = { reason: "Forbidden", message: sentence, at: NOW };
    const observation = observed({ refusal });
    const message = expectWaiting(observation, reason);
    expect(message).toContain("The Job was refused: ");
    expect(message).toContain(cure);
    expect(plan(observation).lookAgainSeconds).toBe(30);
    const { status } = plan(observation);
    expect(status).not.toHaveProperty("jobName");
    expect(actions(plan(observed({ status })))).toEqual(["CreateJob"]);
  });

  const refusal = { reason: "Forbidden", message: "exceeded quota: q", at: NOW };
  const after = (seconds: number, changes: Partial<Observation> = {}): Plan =>
    plan(observed({ refusal, now: new Date(at(seconds)), ...changes }));

  test("is asked for again after half a minute, whatever happens before", () => {
    expect(after(10).lookAgainSeconds).toBe(20);
    expect(actions(after(10))).toEqual([]);
    expect(actions(after(30))).toEqual(["CreateJob"]);
    expect(actions(after(-1))).toEqual(["CreateJob"]);
  });

  test("does not stand in line meanwhile", () => {
    const load = { ...observed().load, jobs: 1 };
    const settings = { ...observed().settings, maxJobs: 1 };
    expect(after(10, { load, settings }).waitsForPlace).toBeUndefined();
    expect(readyMessage(after(10, { load, settings }))).toContain("exceeded quota");
    expect(after(30, { load, settings }).waitsForPlace).toBe(true);
  });
});

describe("a pod that does not start", () => {
  const pending = (status: Partial<PodStatus>, engine?: ContainerState, rest: Partial<Pod> = {}) =>
    podOf(job, { ...rest, ...(engine && { engine }), status });
  const waiting = (reason: string, message = "because") => ({ waiting: { reason, message } });

  test("finds no node", () => {
    const message = "0/3 nodes are available: 3 Insufficient memory.";
    const condition = { type: "PodScheduled", status: "False", reason: "Unschedulable", message };
    const pod = pending({ conditions: [condition] }, undefined, { spec: { containers: [] } });
    const observation = observed({ jobs: [job], pods: [pod] });
    expect(expectWaiting(observation, "Unschedulable")).toBe(
      `No node can take pod ${pod.metadata?.name}: ${message} Make room, or change spec.job's resources, tolerations, nodeSelector or affinity.`,
    );
    const { status } = plan(observation);
    expect(conditions(status)).toContain("Schedulable=False/Unschedulable");
    const schedulable = (pods: Pod[]) =>
      conditions(plan(observed({ status, jobs: [job], pods })).status).filter((each) =>
        each.startsWith("Schedulable"),
      );
    expect(schedulable([pod])).toEqual(["Schedulable=False/Unschedulable"]);
    expect(schedulable([podOf(job)])).toEqual(["Schedulable=True/Scheduled"]);
    expect(schedulable([])).toEqual([]);
    const running = pending({ phase: "Running" }, runningEngine);
    const later = plan(observed({ status, jobs: [job], pods: [running] }));
    expect(conditions(later.status)).toContain("Schedulable=True/Scheduled");
  });

  test.each([
    ["ErrImagePull"],
    ["ImagePullBackOff"],
    ["InvalidImageName"],
    ["ErrImageNeverPull"],
    ["ImageInspectError"],
    ["RegistryUnavailable"],
    ["SignatureValidationFailed"],
  ])("has no image: %s", (reason) => {
    const pods = [pending({}, waiting(reason))];
    const observation = observed({ jobs: [job], pods });
    expect(expectWaiting(observation, "ImagePullFailed")).toContain(
      `The image registry.example/imagediff:1 of pod ${JOB_NAME}-abcde cannot be pulled (${reason}): because. Check`,
    );
    expect(conditions(plan(observation).status)).toContain("Schedulable=True/Scheduled");
    const secret = "Unable to retrieve some image pull secrets (s); attempting to pull may fail.";
    const happenings = [happening("Pod", "FailedToRetrieveImagePullSecret", secret)];
    expect(expectWaiting({ ...observation, happenings }, "PullSecretMissing")).toContain(secret);
  });

  test("is told once why it has no image, and not each time that the kubelet waits", () => {
    const withState = (reason: string, message: string, status = {}) =>
      plan(observed({ jobs: [job], pods: [pending({}, waiting(reason, message))], status }));
    const first = withState("ErrImagePull", "not found");
    const second = withState("ImagePullBackOff", "Back-off", first.status);
    expect(second.status).toEqual(first.status);
    const other = withState("ErrImagePull", "no route to host", second.status);
    expect(readyMessage(other)).toContain("no route to host");
    expect(readyMessage(withState("ImagePullBackOff", "Back-off"))).toContain("Back-off");
  });

  test.each([["CreateContainerConfigError"], ["CreateContainerError"], ["RunContainerError"]])(
    "has no container: %s",
    (reason) => {
      const observation = observed({ jobs: [job], pods: [pending({}, waiting(reason))] });
      expect(expectWaiting(observation, "ContainerNotStarted")).toContain(`(${reason}): because.`);
    },
  );

  test.each([
    ["VolumeNotAttached", "FailedAttachVolume", "Multi-Attach error"],
    ["VolumeNotMounted", "FailedMount", "mount failed: exit status 32"],
    ["VolumeNotMounted", "FailedMapVolume", "MapVolume failed"],
    ["VolumeNotMounted", "FailedMountOnFilesystemMismatch", "wrong filesystem"],
  ])("has no volume: %s by %s", (reason, event, text) => {
    const pods = [pending({}, waiting("ContainerCreating", ""))];
    const happenings = [happening("Pod", event, text)];
    const message = expectWaiting(observed({ jobs: [job], pods, happenings }), reason);
    expect(message).toContain(`(pod ${JOB_NAME}-abcde, node node-1): ${text}. `);
  });

  test.each([
    ["an event from before the pod", [happening("Pod", "FailedMount", "x", 0)]],
    ["an event about the Job", [happening("Job", "FailedMount", "x")]],
    ["another event", [happening("Pod", "Pulling", "x"), happening("Job", "FailedCreate", "x")]],
  ])("is not explained by %s", (_, happenings) => {
    const pods = [pending({}, waiting("ContainerCreating", ""))];
    const { status } = plan(observed({ jobs: [job], pods, happenings }));
    expect(conditions(status)).toContain("Ready=False/JobCreated");
  });

  test("is another than the one that failed before", () => {
    const failed = podOf(job, { engine: endedEngine(1, noSpace), status: { phase: "Failed" } });
    const next = podOf(job, {
      metadata: { name: "next", creationTimestamp: at(20) },
      engine: waiting("ErrImagePull"),
      status: {},
    });
    expectWaiting(observed({ jobs: [job], pods: [next, failed] }), "ImagePullFailed");
  });

  test("may be ending, and then its Job has none that starts", () => {
    const leaving = podOf(job, {
      metadata: { deletionTimestamp: at(2) },
      engine: waiting("ErrImagePull"),
      status: {},
    });
    const { status } = plan(observed({ jobs: [job], pods: [leaving] }));
    expect(conditions(status)).toContain("Ready=False/JobCreated");
  });
});

describe("events are looked up", () => {
  const needs = (changes: Partial<Observation>, seconds: number) =>
    needsHappenings(observed({ jobs: [job], now: new Date(at(seconds)), ...changes }));
  const failed = podOf(job, { engine: endedEngine(1, noSpace), status: { phase: "Failed" } });

  test.each([
    ["a Job that has no pod for a moment", false, {}, 2],
    ["a Job that has no pod for longer", true, {}, 3],
    ["a pod that is new", false, { pods: [podOf(job)] }, 10],
    ["a pod that does not start", true, { pods: [podOf(job)] }, 11],
    ["an engine at work", false, { pods: [podOf(job, { engine: runningEngine })] }, 60],
    ["a retry that does not come", true, { pods: [failed] }, 60],
    ["no Job", false, { jobs: [] }, 60],
    [
      "a Job that is being deleted",
      false,
      { jobs: [jobFor(observed(), { metadata: { deletionTimestamp: at(1) } })] },
      60,
    ],
    [
      "a suspended Job",
      false,
      { jobs: [jobFor(observed(), { spec: { suspend: true, template: {} } })] },
      60,
    ],
    ["a finished resource", false, { status: { completionTime: at(1) } }, 60],
    [
      "a Job that has failed",
      false,
      { jobs: [{ ...job, status: { conditions: [{ type: "Failed", status: "True" }] } }] },
      60,
    ],
  ])("for %s: %s", (_, expected, changes, seconds) => {
    expect(needs(changes, seconds)).toBe(expected);
  });
});
