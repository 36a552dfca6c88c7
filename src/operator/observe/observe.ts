/** Gathers all that one decision needs: from the caches, and a little from the API server. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { PersistentVolumeClaim, Pod } from "kubernetes-types/core/v1.d.ts";
import type { ImageDiff } from "../../api/resource.ts";
import { ApiError } from "../../kube/api-error.ts";
import type { Client } from "../../kube/client.ts";
import type { List } from "../../kube/list.ts";
import type { Log } from "../../kube/log.ts";
import { compareVersions } from "../../kube/resource-version.ts";
import { keyText } from "../../kube/resource-type.ts";
import { JOB_NAME_LABEL, jobName } from "../plan/labels.ts";
import { needsHappenings, wantsLog } from "../plan/needs.ts";
import type { ClaimObservation, Observation, Refusal, Settings } from "../plan/observation.ts";
import { claimsOf } from "../plan/volumes.ts";
import { Claims, ImageDiffs, Pods, type StoredImageDiff } from "../resources.ts";
import type { Caches } from "./caches.ts";
import { EngineLogs } from "./engine-logs.ts";
import { finishedEstimate } from "./estimates.ts";
import { EngineEvents } from "./engine-events.ts";
import { isOver } from "./indexes.ts";
import type { Places } from "./places.ts";
import { slimPod } from "./slim.ts";
import { startingUsers } from "./starting.ts";
import { cachedUsers, usersAmong } from "./users.ts";

/** Pods that hold no claim any more are not worth listing. */
const NOT_ENDED = "status.phase!=Succeeded,status.phase!=Failed";

/** All but what other resources are about to do, which is only true at the moment of the plan. */
type Known = Omit<Observation, "load">;

export interface ObserverOptions {
  client: Client;
  caches: Caches;
  places: Places;
  settings: Settings;
  log: Log;
  now?: () => Date;
}

export class Observer {
  readonly #options: ObserverOptions;
  readonly #logs: EngineLogs;
  readonly #events: EngineEvents;
  /** Of each resource, by its uid, why a Job of which generation was refused last. */
  readonly #refusals = new Map<string, { generation: number | undefined; refusal: Refusal }>();

  constructor(options: ObserverOptions) {
    this.#options = options;
    this.#logs = new EngineLogs(options.client, options.log);
    this.#events = new EngineEvents(options.client, options.log);
  }

  /** What the caches know, with the engine's log and the events where a decision needs them. */
  async observe(resource: ImageDiff): Promise<Observation> {
    const cached = this.#fromCaches(resource);
    const pods = isBehindJobs(cached) ? (await this.#livePods(resource)).items : cached.pods;
    const observation = this.withOthers({ ...cached, pods });
    return { ...observation, ...(await this.#words(observation)) };
  }

  /**
   * The same once more, as it is at this moment: right before something is done, or is told for
   * good. Each kind of object has a cache of its own, which may be a minute behind the others.
   * @throws ApiError Conflict as `requireSame`.
   */
  async observeLive(resource: ImageDiff): Promise<Known> {
    const { client } = this.#options;
    const { namespace = "", uid = "" } = resource.metadata;
    const [{ items, resourceVersion }, pods, claims] = await Promise.all([
      client.list(Pods, { namespace, fieldSelector: NOT_ENDED, transform: slimPod }),
      this.#livePods(resource),
      this.#liveClaims(resource),
      this.requireSame(resource),
    ]);
    let own = pods;
    const present = (): Known => {
      const cached = this.#fromCaches(resource);
      // The answers took a while, in which the cache may have heard more.
      const ownPods = newest(own.items, cached.pods, own.resourceVersion);
      const listed = usersAmong(this.#options.caches, items, claimsOf(resource), uid);
      const newer = cached.users.filter(({ pod }) => isNewer(pod, resourceVersion));
      const known = new Set(listed.map(({ pod }) => pod.metadata?.uid));
      const users = [...listed, ...newer.filter(({ pod }) => !known.has(pod.metadata?.uid))];
      return { ...cached, claims, pods: ownPods, users };
    };
    // Meanwhile a Job may have come to its end.
    if (isBehindJobs(present())) own = await this.#livePods(resource);
    const words = await this.#words(this.withOthers(present()));
    // Nothing is waited for after this.
    return { ...present(), ...words };
  }

  /**
   * @throws ApiError Conflict where the resource has changed or gone: its cache is behind, and
   * nothing must be done for what it was.
   */
  async requireSame(resource: ImageDiff): Promise<void> {
    const { namespace, name } = resource.metadata;
    const fieldSelector = `metadata.name=${name}`;
    const { items } = await this.#options.client.list(ImageDiffs, { namespace, fieldSelector });
    if (items.some((now) => isSameVersion(now, resource))) return;
    const message = "it has changed, and the cache is yet to hear of that";
    throw new ApiError(`act for ImageDiff ${namespace}/${name}`, 409, {
      reason: "Conflict",
      message,
    });
  }

  /** With what other resources are about to do, as it is known at this very moment. */
  withOthers(observation: Known): Observation {
    const { caches, places } = this.#options;
    const { resource, now, users } = observation;
    const { namespace = "", name, uid = "" } = resource.metadata;
    const claims = claimsOf(resource);
    return {
      ...observation,
      users: [...users, ...startingUsers(caches, places, now, { namespace, claims, uid })],
      load: places.load(keyText({ namespace, name }), uid, now),
    };
  }

  /** The engine's log, and the events, where a decision needs them. */
  async #words(observation: Observation): Promise<Pick<Observation, "happenings" | "log">> {
    const log = wantsLog(observation) ? await this.#logs.read(observation) : undefined;
    const happenings = needsHappenings(observation) ? await this.#events.read(observation) : [];
    return { happenings, ...(log === undefined ? {} : { log }) };
  }

  /** Notes that the API server would not let the resource's Job start, as it is wished for now. */
  refused({ metadata: { uid = "", generation } }: ImageDiff, refusal: Refusal): void {
    this.#refusals.set(uid, { generation, refusal });
  }

  async #livePods(resource: ImageDiff): Promise<List<Pod>> {
    const { namespace } = resource.metadata;
    const labelSelector = `${JOB_NAME_LABEL}=${jobName(resource)}`;
    return this.#options.client.list(Pods, { namespace, labelSelector, transform: slimPod });
  }

  async #liveClaims(resource: ImageDiff): Promise<Observation["claims"]> {
    const { namespace } = resource.metadata;
    const claims = claimsOf(resource).map(async (name) => {
      const fieldSelector = `metadata.name=${name}`;
      const { items } = await this.#options.client.list(Claims, { namespace, fieldSelector });
      return [name, this.#claim(items[0])] as const;
    });
    return new Map(await Promise.all(claims));
  }

  /** Without a word to the API server. */
  #fromCaches(resource: ImageDiff): Known {
    const { caches, settings, now = () => new Date() } = this.#options;
    const { claims } = caches;
    const { namespace = "", uid = "", generation } = resource.metadata;
    const refused = this.#refusals.get(uid);
    const names = claimsOf(resource);
    const estimate = finishedEstimate(caches, resource);
    return {
      now: now(),
      resource,
      status: resource.status ?? {},
      settings,
      claims: new Map(
        names.map((claim) => [claim, this.#claim(claims.get({ namespace, name: claim }))]),
      ),
      users: cachedUsers(caches, namespace, names, uid),
      jobs: caches.jobs.by("owner", uid),
      // By the Job's name: they may outlive a Job that was deleted.
      pods: caches.pods.by("job", keyText({ namespace, name: jobName(resource) })),
      happenings: [],
      ...(estimate === undefined ? {} : { estimate }),
      ...(refused && refused.generation === generation && { refusal: refused.refusal }),
    };
  }

  #claim(claim: PersistentVolumeClaim | undefined): ClaimObservation {
    const { volumes, storageClasses } = this.#options.caches;
    const { volumeName, storageClassName } = claim?.spec ?? {};
    const volume = volumeName ? volumes.get({ name: volumeName }) : undefined;
    const storageClass = storageClassName
      ? storageClasses.get({ name: storageClassName })
      : undefined;
    return {
      ...(claim === undefined ? {} : { claim }),
      ...(volume === undefined ? {} : { volume }),
      ...(storageClass === undefined ? {} : { storageClass }),
    };
  }

  /** The resource is gone: nothing about it is kept. */
  forget(uid: string): void {
    this.#logs.forget(uid);
    this.#events.forget(uid);
    this.#refusals.delete(uid);
  }
}

function isSameVersion({ metadata: a }: StoredImageDiff, { metadata: b }: ImageDiff): boolean {
  return a?.uid === b.uid && a?.resourceVersion === b.resourceVersion;
}

/** The newest versions of pods that a list and a cache have, the list being as of a moment. */
function newest(listed: readonly Pod[], cached: readonly Pod[], moment: string): Pod[] {
  const heard = new Map(cached.map((pod) => [pod.metadata?.uid, pod]));
  const known = new Set(listed.map(({ metadata }) => metadata?.uid));
  return [
    ...listed.map((pod) => {
      const other = heard.get(pod.metadata?.uid);
      const isOlder = other && isNewer(other, pod.metadata?.resourceVersion ?? "");
      return isOlder ? other : pod;
    }),
    ...cached.filter((pod) => !known.has(pod.metadata?.uid) && isNewer(pod, moment)),
  ];
}

/** Whether a pod was changed after a moment; so too where nobody can tell. */
function isNewer({ metadata }: Pod, moment: string): boolean {
  return (compareVersions(metadata?.resourceVersion ?? "", moment) ?? 1) > 0;
}

/** How a Job came out is said by its pods, of which the cache may hear later than of the Job. */
function isBehindJobs(known: Known): boolean {
  return known.jobs.some((job) => hasUnseenEnd(job, known));
}

/** Whether a Job has ended of whose end the cache may not have heard all that its pods say. */
function hasUnseenEnd(job: Job, { status, pods }: Known): boolean {
  if (status.completionTime !== undefined || !isOver(job)) return false;
  // A success is one pod's; of failures nobody can tell which was the last.
  return !pods.some((pod) => pod.status?.phase === "Succeeded");
}
