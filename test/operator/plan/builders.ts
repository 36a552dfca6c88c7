/** Observations for tests: a world in which all is well, and how to change it. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type {
  ContainerState,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
} from "kubernetes-types/core/v1.d.ts";
import type { ImageDiffStatus } from "../../../src/api/status.ts";
import type { Plan } from "../../../src/operator/plan/actions.ts";
import { JOB_NAME_LABEL, jobName } from "../../../src/operator/plan/labels.ts";
import type { ClaimObservation, Observation } from "../../../src/operator/plan/observation.ts";
import { plan } from "../../../src/operator/plan/plan.ts";
import { resourceWith } from "./resources.ts";

export const NOW = new Date("2030-01-02T03:04:05Z");

/** So many seconds after NOW, as the API server writes it. */
export function at(seconds: number): string {
  return new Date(NOW.getTime() + seconds * 1000).toISOString().replace(".000", "");
}

export const UID = "11111111-2222-3333-4444-555555555555";

export const settings: Observation["settings"] = {
  engineImage: "registry.example/imagediff:1",
  resources: { requests: { cpu: "500m", memory: "256Mi" }, limits: { memory: "512Mi" } },
};

/** A resource as the API server has it, with these fields. */
export function stored(changes: Record<string, unknown> = {}) {
  return resourceWith({
    "metadata.namespace": "vms",
    "metadata.uid": UID,
    "metadata.generation": 1,
    ...changes,
  });
}

/** A bound claim with a volume that every node reaches. */
export function bound(
  name: string,
  spec: PersistentVolumeClaim["spec"] & {} = {},
  volume: PersistentVolume["spec"] & {} = {},
): ClaimObservation {
  return {
    claim: {
      metadata: { name },
      spec: { accessModes: ["ReadWriteMany"], volumeName: `pv-${name}`, ...spec },
      status: { phase: "Bound", capacity: { storage: "10Gi" } },
    },
    volume: { metadata: { name: `pv-${name}` }, spec: volume },
  };
}

/** Claims that are there and idle, a resource, and no Job yet. */
export function observed(
  changes: Partial<Observation> & { fields?: Record<string, unknown> } = {},
): Observation {
  const { fields, ...rest } = changes;
  const names = ["golden", "web-01-root", "thin-images"];
  return {
    now: NOW,
    resource: stored(fields),
    status: {},
    settings,
    claims: new Map(names.map((name) => [name, bound(name)])),
    users: [],
    jobs: [],
    pods: [],
    happenings: [],
    load: { jobs: 0, unplaced: 0, perNode: new Map(), starting: false, waitingBefore: 0 },
    ...rest,
  };
}

/** The claims of `observed`, with these in place of their namesakes. */
export function claimsWith(...changed: ClaimObservation[]): Observation["claims"] {
  const names = changed.map((each) => [each.claim?.metadata?.name ?? "", each] as const);
  return new Map([...observed().claims, ...names]);
}

/** The Job that the plan for an observation makes, as the API server has it then. */
export function jobFor(observation: Observation = observed(), changes: Partial<Job> = {}): Job {
  const blank = { ...observation, jobs: [], pods: [], status: {} };
  const [action] = plan(blank).actions;
  if (action?.type !== "CreateJob") throw new Error("the plan makes no Job");
  const { job } = action;
  return {
    ...job,
    ...changes,
    metadata: { ...job.metadata, uid: "job-uid", creationTimestamp: at(0), ...changes.metadata },
    spec: { ...job.spec, template: job.spec?.template ?? {}, ...changes.spec },
  };
}

/** A pod of that Job; `engine` is the state of its container. */
export function podOf(
  job: Job,
  { engine, ...changes }: Partial<Pod> & { engine?: ContainerState } = {},
): Pod {
  const { name = "", uid = "" } = job.metadata ?? {};
  const spec = { containers: [], ...job.spec?.template.spec, nodeName: "node-1" };
  const statuses = engine === undefined ? [] : [containerStatus(engine)];
  return {
    spec,
    ...changes,
    metadata: {
      name: `${name}-abcde`,
      creationTimestamp: at(1),
      labels: { [JOB_NAME_LABEL]: name },
      ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name, uid, controller: true }],
      ...changes.metadata,
    },
    status: { phase: "Pending", containerStatuses: statuses, ...changes.status },
  };
}

function containerStatus(state: ContainerState) {
  return { name: "engine", state, image: "", imageID: "", ready: false, restartCount: 0 };
}

export const runningEngine: ContainerState = { running: { startedAt: at(3) } };

/** An engine that ended, with this as its termination message. */
export function endedEngine(exitCode: number, message: unknown, reason = "Error"): ContainerState {
  const text = typeof message === "string" ? message : JSON.stringify(message);
  const reported = message === undefined ? {} : { message: text };
  return {
    terminated: { exitCode, reason, startedAt: at(3), finishedAt: at(9), ...reported },
  };
}

/** The conditions in short: `Ready=True/OverlayReady`. */
export function conditions({ conditions: list = [] }: ImageDiffStatus): string[] {
  return list.map(({ type, status, reason }) => `${type}=${status}/${reason}`);
}

/** The actions in short. */
export function actions({ actions: list }: Plan): string[] {
  return list.map((action) =>
    action.type === "UpdateJob" ? `UpdateJob ${JSON.stringify(action.spec)}` : action.type,
  );
}

/** Why the resource is not Ready, in a sentence. */
export function readyMessage({ status }: Plan): string {
  return status.conditions?.find(({ type }) => type === "Ready")?.message ?? "";
}

/** The other pods' name for the resource's Job. */
export const JOB = jobName(stored());
