/** What must hold at every moment of every run. */
import { isDeepStrictEqual } from "node:util";
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import type { ImageDiffStatus } from "../../../src/api/status.ts";
import type { HttpRequest } from "../../../src/kube/transport.ts";
import { ImageDiffs, Jobs, Pods, type StoredImageDiff } from "../../../src/operator/resources.ts";
import { expectKstatus } from "../plan/kstatus.ts";
import type { Clock } from "./clock.ts";
import type { Answer } from "./server/answers.ts";
import type { ApiServer } from "./server/api-server.ts";
import type { Happening } from "./server/store.ts";
import type { Client } from "./transport.ts";
import { isFinished } from "./world/job-status.ts";
import { controllerOf, hasEnded, uidOf } from "./world/pods.ts";

/** Phases in which an engine is at work. */
const running = new Set<unknown>(["Starting", "Comparing", "Converting", "Verifying"]);

/** Seconds for one status that tells of nothing but progress. */
const PROGRESS_SECONDS = 5;

/** Such statuses that may come at once, after a change of the phase or of the controller. */
const PROGRESS_BURST = 2;

/** Requests at one moment. */
const MOST_AT_ONCE = 2000;

export class Invariants {
  readonly problems: string[] = [];
  #lastAsked = 0;
  #atOnce = 0;
  /** When the controller last asked for a write, in seconds. */
  lastWrite = 0;
  readonly #server: ApiServer;
  readonly #clock: Clock;
  readonly #maxJobs: number;
  /** The moments of the newest lists that each client has got: of all pods, and of one resource. */
  readonly #known = new Map<Client, { pods: number; resource: number }>();
  /** When each ImageDiff was suspended or went, by its uid. */
  readonly #stoppedAt = new Map<string, number>();
  /** When each pod was made, by its uid. */
  readonly #madeAt = new Map<string, number>();
  /** By the uid of the ImageDiff: since when it is in its phase, and statuses since. */
  readonly #paces = new Map<string, { phase: string; since: number; count: number }>();

  constructor(server: ApiServer, clock: Clock, maxJobs = Infinity) {
    this.#server = server;
    this.#clock = clock;
    this.#maxJobs = maxJobs;
    server.listen((happening) => this.#look(happening));
  }

  broken(problem: string): void {
    this.problems.push(`at ${this.#clock.seconds.toFixed(3)} s: ${problem}`);
  }

  /** @throws Error where requests go round in circles without any time passing. */
  asked({ method, path }: HttpRequest): void {
    const { seconds } = this.#clock;
    this.#atOnce = this.#lastAsked === seconds ? this.#atOnce + 1 : 0;
    this.#lastAsked = seconds;
    if (this.#atOnce < MOST_AT_ONCE) return;
    this.broken(`${this.#atOnce} requests at one moment, the last ${method} ${path}`);
    throw new Error("a circle without a wait");
  }

  /** As of which moment a client knows all pods and the resource that it makes a Job of. */
  knownTo(client: Client): number {
    const { pods, resource } = this.#known.get(client) ?? { pods: 0, resource: 0 };
    return Math.min(pods, resource);
  }

  /** Has a request served that was sent with such a knowledge. */
  served(request: HttpRequest, known: number, serve: () => Answer): Answer {
    const { method, path, body = "" } = request;
    if (method === "GET") return serve();
    this.lastWrite = this.#clock.seconds;
    if (method === "POST" && path.endsWith("/jobs"))
      this.#checkLive(JSON.parse(body) as Job, known);
    return serve();
  }

  /** A client has got the whole of an answer. */
  delivered(client: Client, { path, query = {} }: HttpRequest, text: string): void {
    const { fieldSelector = "" } = query;
    const isOfPods = path.endsWith("/pods") && fieldSelector.includes("status.phase");
    const isOfResource = path.endsWith("/imagediffs") && fieldSelector.includes("metadata.name");
    if (!isOfPods && !isOfResource) return;
    const { metadata } = JSON.parse(text) as { metadata: { resourceVersion: string } };
    const known = this.#known.get(client) ?? { pods: 0, resource: 0 };
    const moment = Number(metadata.resourceVersion);
    this.#known.set(client, { ...known, [isOfPods ? "pods" : "resource"]: moment });
  }

  /**
   * No Job is asked for while a pod uses a source that was there when the pods were listed, nor for
   * a resource that was suspended or gone by then.
   */
  #checkLive(job: Job, known: number): void {
    const uid = controllerOf(job) ?? "";
    const owner = this.#resource(uid);
    if ((this.#stoppedAt.get(uid) ?? Infinity) <= known) {
      this.broken(
        `a Job is asked for of ${owner?.metadata?.name ?? uid}, which is suspended or gone`,
      );
    }
    if (owner === undefined) return;
    const { base, modified, sourceUse } = owner.spec ?? {};
    const sources = new Set([base?.claimName, modified?.claimName]);
    for (const pod of this.#server.all(Pods)) {
      const isEngine = pod.metadata?.labels?.["batch.kubernetes.io/job-name"] !== undefined;
      const isNew = (this.#madeAt.get(uidOf(pod)) ?? 0) > known;
      if (hasEnded(pod) || isEngine || isNew) continue;
      const uses = (pod.spec?.volumes ?? []).filter(({ persistentVolumeClaim }) =>
        sources.has(persistentVolumeClaim?.claimName),
      );
      const isInTheWay = uses.some(
        ({ name }) => sourceUse !== "AllowReadOnly" || canWrite(pod, name),
      );
      if (isInTheWay) {
        this.broken(
          `a Job of ${owner.metadata?.name} is asked for while ${pod.metadata?.name} uses a source`,
        );
      }
    }
  }

  #look({ type, kind, object, before, revision }: Happening): void {
    if (kind === "v1/pods" && type === "ADDED") this.#madeAt.set(uidOf(object), revision);
    if (kind === "batch/v1/jobs" && type === "ADDED") this.#lookAtJob(object as Job);
    if (
      kind === "batch/v1/jobs" &&
      isAtWork(object as Job) &&
      !(before && isAtWork(before as Job))
    ) {
      this.#countJobs();
    }
    if (kind !== "imagediff.io/v1alpha1/imagediffs") return;
    const [past, now] = [before as StoredImageDiff, object as StoredImageDiff];
    const isStopped = type === "DELETED" || now.spec?.suspend === true;
    if (!isStopped) this.#stoppedAt.delete(uidOf(now));
    else if (!this.#stoppedAt.has(uidOf(now))) this.#stoppedAt.set(uidOf(now), revision);
    if (type !== "MODIFIED") return;
    if (!isDeepStrictEqual(past.status, now.status)) this.#lookAtStatus(past, now);
  }

  #lookAtJob(job: Job): void {
    const unfinished = this.#server.all(Jobs).filter((each) => !isFinished(each));
    const owner = controllerOf(job);
    const own = unfinished.filter((each) => controllerOf(each) === owner);
    const resource = this.#resource(owner);
    const name = resource?.metadata?.name ?? "nobody";
    if (own.length > 1) this.broken(`${name} has ${own.length} unfinished Jobs`);
    if (resource?.status?.completionTime !== undefined) {
      this.broken(`a Job is made of ${name}, which is finished`);
    }
  }

  /** A Job that is held back takes no place. */
  #countJobs(): void {
    const count = this.#server.all(Jobs).filter(isAtWork).length;
    if (count > this.#maxJobs) this.broken(`${count} Jobs are at work at once`);
  }

  #lookAtStatus(past: StoredImageDiff, now: StoredImageDiff): void {
    const { name } = now.metadata ?? {};
    try {
      expectKstatus(now);
    } catch (error) {
      this.broken(`the status of ${name} is not as it should be: ${(error as Error).message}`);
    }
    if (past.status?.completionTime !== undefined) {
      const same = isDeepStrictEqual(timeless(past.status), timeless(now.status ?? {}));
      if (!same) this.broken(`the status of ${name} changes after its end`);
    }
    this.#lookAtPace(now);
  }

  #lookAtPace(now: StoredImageDiff): void {
    const { phase: word, attempts } = now.status ?? {};
    const phase = `${word} ${attempts}`;
    const pace = this.#paces.get(uidOf(now));
    if (pace?.phase !== phase) {
      this.#paces.set(uidOf(now), { phase, since: this.#clock.seconds, count: 0 });
      return;
    }
    pace.count += 1;
    const most = PROGRESS_BURST + Math.floor((this.#clock.seconds - pace.since) / PROGRESS_SECONDS);
    if (running.has(word) && pace.count > most) {
      this.broken(`${pace.count} statuses of ${now.metadata?.name} in phase ${word}, not ${most}`);
    }
  }

  #resource(uid: string | undefined): StoredImageDiff | undefined {
    return this.#server.all(ImageDiffs).find((each) => uidOf(each) === uid);
  }
}

function isAtWork(job: Job): boolean {
  return !isFinished(job) && job.spec?.suspend !== true;
}

/** A status but for the generation that it is about. */
function timeless(status: ImageDiffStatus): object {
  const observedGeneration = 0;
  const conditions = status.conditions?.map((each) => ({ ...each, observedGeneration }));
  return { ...status, observedGeneration, conditions };
}

function canWrite({ spec }: Pod, volume: string): boolean {
  return (spec?.containers ?? []).some(({ volumeMounts = [] }) =>
    volumeMounts.some(({ name, readOnly }) => name === volume && readOnly !== true),
  );
}
