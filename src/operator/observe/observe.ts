/** Gathers all that one decision needs: from the caches, and a little from the API server. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import type { ImageDiff } from "../../api/resource.ts";
import { ApiError } from "../../kube/api-error.ts";
import type { Client } from "../../kube/client.ts";
import { compareVersions } from "../../kube/resource-version.ts";
import { keyText } from "../../kube/resource-type.ts";
import { JOB_NAME_LABEL, jobName } from "../plan/labels.ts";
import { needsHappenings, wantsLog } from "../plan/needs.ts";
import type { ClaimObservation, Observation, Refusal, Settings } from "../plan/observation.ts";
import { claimsOf } from "../plan/volumes.ts";
import { ImageDiffs, Pods, type StoredImageDiff } from "../resources.ts";
import type { Caches } from "./caches.ts";
import { EngineLogs } from "./engine-logs.ts";
import { finishedEstimate } from "./estimates.ts";
import { happeningsOf } from "./happenings.ts";
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
  now?: () => Date;
}

export class Observer {
  readonly #options: ObserverOptions;
  readonly #logs: EngineLogs;
  /** Of each resource, by its uid, why a Job of which generation was refused last. */
  readonly #refusals = new Map<string, { generation: number | undefined; refusal: Refusal }>();

  constructor(options: ObserverOptions) {
    this.#options = options;
    this.#logs = new EngineLogs(options.client);
  }

  /** What the caches know, with the engine's log and the events where a decision needs them. */
  async observe(resource: ImageDiff): Promise<Observation> {
    const { client } = this.#options;
    const observation = this.withOthers(await this.#withEndsSeen(this.#fromCaches(resource)));
    const log = wantsLog(observation) ? await this.#logs.read(observation) : undefined;
    const happenings = needsHappenings(observation) ? await happeningsOf(client, observation) : [];
    return { ...observation, happenings, ...(log === undefined ? {} : { log }) };
  }

  /**
   * The same once more, with the pods as they are at this moment: right before a Job is made.
   * @throws ApiError Conflict where the resource itself has changed or gone since: its cache is
   * behind, and no Job must be made on what it was.
   */
  async observeLive(resource: ImageDiff): Promise<Known> {
    const { client } = this.#options;
    const { namespace = "", name, uid = "" } = resource.metadata;
    const [{ items, resourceVersion }, same] = await Promise.all([
      client.list(Pods, { namespace, fieldSelector: NOT_ENDED }),
      client.list(ImageDiffs, { namespace, fieldSelector: `metadata.name=${name}` }),
    ]);
    if (!same.items.some((now) => isSameVersion(now, resource))) {
      const message = "it has changed, and the cache is yet to hear of that";
      throw new ApiError(`start ImageDiff ${namespace}/${name}`, 409, {
        reason: "Conflict",
        message,
      });
    }
    // Meanwhile it may have been started and be done.
    const observation = await this.#withEndsSeen(this.#fromCaches(resource));
    const listed = usersAmong(this.#options.caches, items, claimsOf(resource), uid);
    // The answers took a while, in which the cache may have heard of new pods.
    const newer = observation.users.filter(({ pod }) => isNewer(pod, resourceVersion));
    const known = new Set(listed.map(({ pod }) => pod.metadata?.uid));
    const users = [...listed, ...newer.filter(({ pod }) => !known.has(pod.metadata?.uid))];
    return { ...observation, users };
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

  /** How a Job came out is said by its pods, of which the cache may hear later than of the Job. */
  async #withEndsSeen(known: Known): Promise<Known> {
    if (!known.jobs.some((job) => hasUnseenEnd(job, known))) return known;
    return { ...known, pods: await this.#livePods(known.resource) };
  }

  /** Notes that the API server would not let the resource's Job start, as it is wished for now. */
  refused({ metadata: { uid = "", generation } }: ImageDiff, refusal: Refusal): void {
    this.#refusals.set(uid, { generation, refusal });
  }

  async #livePods(resource: ImageDiff): Promise<Pod[]> {
    const { namespace } = resource.metadata;
    const { items } = await this.#options.client.list(Pods, {
      namespace,
      labelSelector: `${JOB_NAME_LABEL}=${jobName(resource)}`,
      transform: slimPod,
    });
    return items;
  }

  /** Without a word to the API server. */
  #fromCaches(resource: ImageDiff): Known {
    const { caches, settings, now = () => new Date() } = this.#options;
    const { namespace = "", uid = "", generation } = resource.metadata;
    const refused = this.#refusals.get(uid);
    const names = claimsOf(resource);
    const estimate = finishedEstimate(caches, resource);
    return {
      now: now(),
      resource,
      status: resource.status ?? {},
      settings,
      claims: new Map(names.map((claim) => [claim, this.#claim(namespace, claim)])),
      users: cachedUsers(caches, namespace, names, uid),
      jobs: caches.jobs.by("owner", uid),
      // By the Job's name: they may outlive a Job that was deleted.
      pods: caches.pods.by("job", keyText({ namespace, name: jobName(resource) })),
      happenings: [],
      ...(estimate === undefined ? {} : { estimate }),
      ...(refused && refused.generation === generation && { refusal: refused.refusal }),
    };
  }

  #claim(namespace: string, name: string): ClaimObservation {
    const { claims, volumes, storageClasses } = this.#options.caches;
    const claim = claims.get({ namespace, name });
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
    this.#refusals.delete(uid);
  }
}

function isSameVersion({ metadata: a }: StoredImageDiff, { metadata: b }: ImageDiff): boolean {
  return a?.uid === b.uid && a?.resourceVersion === b.resourceVersion;
}

/** Whether a pod was changed after a moment; so too where nobody can tell. */
function isNewer({ metadata }: Pod, moment: string): boolean {
  return (compareVersions(metadata?.resourceVersion ?? "", moment) ?? 1) > 0;
}

/** Whether a Job has ended of whose end the cache may not have heard all that its pods say. */
function hasUnseenEnd(job: Job, { status, pods }: Known): boolean {
  if (status.completionTime !== undefined || !isOver(job)) return false;
  // A success is one pod's; of failures nobody can tell which was the last.
  return !pods.some((pod) => pod.status?.phase === "Succeeded");
}
