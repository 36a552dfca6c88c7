/**
 * The Job controller, one write at a time: the order of its writes is that of the real one, as
 * recorded from kube-controller-manager 1.36 for each way in which a Job can go.
 */
import type { Job, JobStatus } from "kubernetes-types/batch/v1.d.ts";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { keyOf, type ObjectKey } from "../../../../src/kube/resource-type.ts";
import { Jobs, Pods } from "../../../../src/operator/resources.ts";
import { timestamp } from "../clock.ts";
import type { Random } from "../random.ts";
import type { ApiServer } from "../server/api-server.ts";
import { Agenda, type Pace } from "./agenda.ts";
import { tell } from "./events.ts";
import {
  condition,
  counted,
  isDisturbed,
  isFinished,
  noted,
  tallied,
  withCondition,
} from "./job-status.ts";
import {
  controllerOf,
  hasEnded,
  isLeaving,
  isTracked,
  textOf,
  TRACKING,
  uidOf,
  untracked,
} from "./pods.ts";

/** After a failure the next pod waits: 10 s, and twice as long each time. */
const BACKOFF_SECONDS = 10;

/** Seconds between two attempts to make a pod that is refused. */
const REFUSED_SECONDS = 8;

export class JobController {
  /** Says why a pod may not be made, as a quota does. */
  refusesPod: () => string | undefined = () => undefined;
  readonly #server: ApiServer;
  readonly #random: Random;
  readonly #agenda: Agenda;
  /** Failures of each Job in a row, and when the last was. */
  readonly #failures = new Map<string, { count: number; at: number; of: Set<string> }>();

  constructor(server: ApiServer, random: Random, pace: Pace) {
    this.#server = server;
    this.#random = random;
    this.#agenda = new Agenda((key) => this.#sync(key), pace);
    server.listen(({ kind, object }) => {
      if (kind === "batch/v1/jobs") this.#agenda.soon(textOf(object));
      if (kind !== "v1/pods") return;
      const job = object.metadata?.labels?.["batch.kubernetes.io/job-name"];
      if (job !== undefined) this.#agenda.soon(`${object.metadata?.namespace}/${job}`);
    });
  }

  /** Does the first thing that is to be done; what it changes brings the next. */
  #sync(text: string): void {
    const [namespace = "", name = ""] = text.split("/");
    const job = this.#server.get(Jobs, { namespace, name });
    const named = this.#server
      .all(Pods)
      .filter(({ metadata }) => metadata?.labels?.["batch.kubernetes.io/job-name"] === name);
    const orphan = named.find((pod) => isTracked(pod) && controllerOf(pod) !== job?.metadata?.uid);
    if (orphan !== undefined) return this.#release(orphan);
    if (job === undefined) return;
    const pods = named.filter((pod) => controllerOf(pod) === uidOf(job));
    const held = pods.find(isTracked);
    if (isLeaving(job) && held !== undefined) return this.#release(held);
    if (isLeaving(job)) return this.#write(job, tallied(job.status ?? {}, pods));
    if (isFinished(job)) return held === undefined ? undefined : this.#release(held);
    this.#count(job, pods);
  }

  #count(job: Job, pods: readonly Pod[]): void {
    for (const pod of pods) this.#remember(job, pod);
    const status = noted(job, pods);
    const next = { ...job, status };
    const active = pods.filter((pod) => !hasEnded(pod) && !isLeaving(pod));
    const isToFail = condition(next, "FailureTarget") !== undefined;
    if (isToFail && active[0] !== undefined) return this.#delete(active[0]);
    if (status !== job.status) return this.#write(job, tallied(status, pods));
    const done = pods.find((pod) => isTracked(pod) && this.#isNoted(job, pod));
    if (done !== undefined) return this.#release(done);
    const total = counted(job, pods);
    if (total !== job.status) return this.#write(job, tallied(total, pods));
    if (isToFail || condition(job, "SuccessCriteriaMet") !== undefined) {
      return this.#write(job, tallied(total, pods));
    }
    if (job.spec?.suspend === true) this.#suspend(job, pods, active);
    else this.#run(job, pods);
  }

  #isNoted({ status }: Job, pod: Pod): boolean {
    const { failed = [], succeeded = [] } = status?.uncountedTerminatedPods ?? {};
    if ([...failed, ...succeeded].includes(uidOf(pod))) return true;
    return pod.status?.phase === "Failed" && isDisturbed(pod);
  }

  #suspend(job: Job, pods: readonly Pod[], [active]: readonly Pod[]): void {
    if (active !== undefined) {
      // Let go first, so that it does not count.
      this.#release(active);
      return this.#delete(active);
    }
    const { startTime: _, ...status } = job.status ?? {};
    const next = withCondition(status, "Suspended", "JobSuspended", "Job suspended");
    this.#write(job, tallied(next, pods));
  }

  #run(job: Job, pods: readonly Pod[]): void {
    const { status = {}, spec } = job;
    const startTime = status.startTime ?? timestamp();
    const wait = this.#waitSeconds(job);
    if (pods.every(hasEnded)) {
      if (wait <= 0) return this.#makePod(job);
      this.#agenda.soon(textOf(job), wait);
    }
    const resumed =
      condition(job, "Suspended") === undefined
        ? status
        : withCondition(status, "Suspended", "JobResumed", "Job resumed", "False");
    this.#write(job, tallied({ ...resumed, startTime }, pods));
    const { activeDeadlineSeconds } = spec ?? {};
    if (activeDeadlineSeconds === undefined) return;
    const left = Date.parse(startTime) / 1000 + activeDeadlineSeconds - Date.now() / 1000;
    if (left > 0) this.#agenda.soon(textOf(job), left);
  }

  #makePod(job: Job): void {
    const { name = "", namespace, uid = "" } = job.metadata ?? {};
    const why = this.refusesPod();
    if (why !== undefined) {
      tell(this.#server, job, "FailedCreate", `Error creating: ${why}`);
      return this.#agenda.soon(textOf(job), REFUSED_SECONDS);
    }
    const { template } = job.spec ?? {};
    const suffix = this.#random
      .int(0, 36 ** 5 - 1)
      .toString(36)
      .padStart(5, "0");
    this.#server.create(Pods, {
      metadata: {
        ...template?.metadata,
        ...(namespace !== undefined && { namespace }),
        name: `${name}-${suffix}`,
        finalizers: [TRACKING],
        ownerReferences: [
          {
            apiVersion: "batch/v1",
            kind: "Job",
            name,
            uid,
            controller: true,
            blockOwnerDeletion: true,
          },
        ],
      },
      spec: { containers: [], ...template?.spec },
    });
    this.#agenda.soon(textOf(job));
  }

  #remember(job: Job, pod: Pod): void {
    if (pod.status?.phase !== "Failed" || !isTracked(pod)) return;
    const known = this.#failures.get(uidOf(job)) ?? { count: 0, at: 0, of: new Set<string>() };
    if (known.of.has(uidOf(pod))) return;
    const of = known.of.add(uidOf(pod));
    this.#failures.set(uidOf(job), { count: known.count + 1, at: Date.now(), of });
  }

  #waitSeconds(job: Job): number {
    const known = this.#failures.get(uidOf(job));
    if (known === undefined) return 0;
    const seconds = BACKOFF_SECONDS * 2 ** (known.count - 1);
    return seconds - (Date.now() - known.at) / 1000;
  }

  #write(job: Job, status: JobStatus): void {
    this.#server.update(Jobs, keyOf(job), (present) => ({ ...present, status }));
  }

  #release(pod: Pod): void {
    this.#server.update(Pods, keyOf(pod), untracked);
  }

  #delete(pod: Pod): void {
    this.#server.delete(Pods, keyOf(pod) satisfies ObjectKey);
  }
}
