/**
 * A small world for the plan to live in: an API server with Jobs and pods, the Job controller, a
 * scheduler, nodes, engines that come out as they like, and people. Nothing in it knows the plan.
 */
import type { Job, JobCondition } from "kubernetes-types/batch/v1.d.ts";
import type { ContainerState, Pod } from "kubernetes-types/core/v1.d.ts";
import type { ImageDiff } from "../../../src/api/resource.ts";
import type { ImageDiffStatus } from "../../../src/api/status.ts";
import type { Action } from "../../../src/operator/plan/actions.ts";
import type { ClaimUser, Observation } from "../../../src/operator/plan/observation.ts";
import { at, endedEngine, observed, podOf, runningEngine } from "./builders.ts";
import { mismatch, noSpace, result } from "./lines.ts";

/** How an engine may come out. */
export const endings = {
  done: endedEngine(0, result, "Completed"),
  doneWithoutWord: endedEngine(0, undefined, "Completed"),
  noSpace: endedEngine(1, noSpace),
  mismatch: endedEngine(3, mismatch),
  silent: endedEngine(1, undefined),
  garbage: endedEngine(1, '{"type":"result","output":[]}'),
  killed: endedEngine(143, undefined),
  outOfMemory: endedEngine(137, undefined, "OOMKilled"),
} satisfies Record<string, ContainerState>;

const blank = observed();

const TRACKING = "batch.kubernetes.io/job-tracking";

export class World {
  seconds = 0;
  resource: ImageDiff = blank.resource;
  status: ImageDiffStatus = {};
  jobs: Job[] = [];
  pods: Pod[] = [];
  users: ClaimUser[] = [];
  missing = new Set<string>();
  /** Jobs ever made, and the most that were unfinished at once. */
  made = 0;
  #serial = 0;

  get now(): Date {
    return new Date(at(this.seconds));
  }

  /** What a controller sees whose caches are up to date. */
  observe(): Observation {
    const claims = new Map(blank.claims);
    for (const name of this.missing) claims.set(name, {});
    const { now, resource, status, jobs, pods, users } = this;
    return structuredClone({ ...blank, now, resource, status, jobs, pods, users, claims });
  }

  /** The API server's side of an action. */
  carryOut(action: Action): void {
    if (action.type === "CreateJob") this.#create(action.job);
    const job = this.jobs.find(({ metadata }) => "uid" in action && metadata?.uid === action.uid);
    if (job === undefined) return;
    if (action.type === "UpdateJob") job.spec = { ...job.spec, ...action.spec } as Job["spec"] & {};
    if (action.type === "DeleteJob") this.deleteJob(job);
  }

  #create(job: Job): void {
    const { name = "" } = job.metadata ?? {};
    if (this.jobs.some(({ metadata }) => metadata?.name === name)) return;
    this.made += 1;
    const uid = `job-${(this.#serial += 1)}`;
    const metadata = { ...job.metadata, name, uid, creationTimestamp: at(this.seconds) };
    this.jobs.push(structuredClone({ ...job, metadata, status: {} }));
  }

  /** In the foreground: it stays until its pods are gone. */
  deleteJob(job: Job): void {
    job.metadata = { ...job.metadata, deletionTimestamp: at(this.seconds) };
  }

  edit(spec: Partial<ImageDiff["spec"]>): void {
    const { metadata } = this.resource;
    this.resource = {
      ...this.resource,
      metadata: { ...metadata, generation: (metadata.generation ?? 0) + 1 },
      spec: { ...this.resource.spec, ...spec },
    };
  }

  /** Somebody's pod with that claim, which is there until it is removed. */
  addUser(name: string, claimName: string, readOnly: boolean): void {
    const volumes = [{ name: "v", persistentVolumeClaim: { claimName, readOnly } }];
    const spec = { containers: [], volumes, nodeName: "node-1" };
    this.removeUser(name);
    this.users.push({ pod: { metadata: { name }, spec, status: { phase: "Running" } } });
  }

  removeUser(name: string): void {
    this.users = this.users.filter(({ pod }) => pod.metadata?.name !== name);
  }

  /** One step of everybody but the operator; `ending` is how an engine comes out that ends now. */
  turn(ending: keyof typeof endings): void {
    this.seconds += 7;
    this.pods = this.pods.filter((pod) => !isLeaving(pod));
    for (const job of this.jobs) this.#syncJob(job);
    for (const pod of this.pods) this.#runPod(pod, endings[ending]);
    // The garbage collector.
    this.jobs = this.jobs.filter((job) => !isLeaving(job) || this.#podsOf(job).length > 0);
  }

  #podsOf({ metadata }: Job): Pod[] {
    return this.pods.filter((pod) => pod.metadata?.ownerReferences?.[0]?.uid === metadata?.uid);
  }

  #syncJob(job: Job): void {
    const pods = this.#podsOf(job);
    if (isFinished(job) && !isLeaving(job)) return;
    if (isLeaving(job) || job.spec?.suspend === true) {
      for (const pod of pods) if (isLeaving(job) || !ended(pod)) this.#tellToEnd(pod);
      return;
    }
    const status = { startTime: at(this.seconds), ...job.status };
    job.status = status;
    for (const pod of pods.filter(ended).filter(isTracked)) {
      const exitCode = terminatedOf(pod)?.exitCode ?? 1;
      if (exitCode === 0) status.succeeded = 1;
      else status.failed = (status.failed ?? 0) + 1;
      if ([2, 3, 4].includes(exitCode)) this.#condition(job, "FailureTarget", "PodFailurePolicy");
      pod.metadata = { ...pod.metadata, finalizers: [] };
    }
    const target = status.conditions?.find(({ type }) => type === "FailureTarget");
    if ((status.succeeded ?? 0) > 0) this.#condition(job, "Complete", "CompletionsReached");
    else if (target !== undefined) this.#condition(job, "Failed", target.reason ?? "");
    else if ((status.failed ?? 0) > (job.spec?.backoffLimit ?? 0)) {
      this.#condition(job, "FailureTarget", "BackoffLimitExceeded");
    } else if (!pods.some((pod) => !ended(pod))) this.#createPod(job);
  }

  #condition(job: Job, type: string, reason: string): void {
    const lastTransitionTime = at(this.seconds);
    const condition: JobCondition = { type, status: "True", reason, lastTransitionTime };
    job.status = { ...job.status, conditions: [...(job.status?.conditions ?? []), condition] };
  }

  #createPod(job: Job): void {
    const pod = podOf(job);
    const { nodeName: _, ...spec } = pod.spec ?? { containers: [] };
    const name = `${job.metadata?.name}-${(this.#serial += 1)}`;
    const creationTimestamp = at(this.seconds);
    const metadata = { ...pod.metadata, name, creationTimestamp, finalizers: [TRACKING] };
    this.pods.push({ ...pod, metadata, spec });
  }

  /** It is seen ending once, and gone after that. */
  #tellToEnd(pod: Pod): void {
    pod.metadata = { deletionTimestamp: at(this.seconds), ...pod.metadata };
  }

  #runPod(pod: Pod, outcome: ContainerState): void {
    if (ended(pod) || isLeaving(pod)) return;
    if (pod.spec?.nodeName === undefined) {
      pod.spec = { containers: [], ...pod.spec, nodeName: "node-1" };
      return;
    }
    const [container] = pod.status?.containerStatuses ?? [];
    const state: ContainerState = container === undefined ? runningEngine : outcome;
    const running = state.running !== undefined;
    const phase = running ? "Running" : state.terminated?.exitCode === 0 ? "Succeeded" : "Failed";
    Object.assign(pod, { status: podOf({}, { engine: state, status: { phase } }).status });
  }
}

function ended({ status }: Pod): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}

function terminatedOf({ status }: Pod) {
  return status?.containerStatuses?.[0]?.state?.terminated;
}

function isTracked({ metadata }: Pod): boolean {
  return metadata?.finalizers?.includes(TRACKING) === true;
}

function isLeaving({ metadata }: Job | Pod): boolean {
  return metadata?.deletionTimestamp !== undefined;
}

export function isFinished({ status }: Job): boolean {
  return status?.conditions?.some(({ type }) => type === "Complete" || type === "Failed") === true;
}
