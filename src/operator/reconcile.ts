/** One ImageDiff, once: observe, plan, act, write the status, tell. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import { validateImageDiff } from "../api/manifest.ts";
import type { ImageDiff } from "../api/resource.ts";
import { ApiError, isNotFound } from "../kube/api-error.ts";
import type { Client } from "../kube/client.ts";
import type { EventRecorder } from "../kube/events.ts";
import type { Log } from "../kube/log.ts";
import type { ObjectKey } from "../kube/resource-type.ts";
import { Failure } from "../report/reasons.ts";
import { act } from "./act/act.ts";
import type { StatusWriter } from "./act/status-writer.ts";
import type { Caches } from "./observe/caches.ts";
import type { Observer } from "./observe/observe.ts";
import type { Places } from "./observe/places.ts";
import type { Action, Announcement, Plan } from "./plan/actions.ts";
import { jobName } from "./plan/labels.ts";
import { plan, planInvalid } from "./plan/plan.ts";
import type { Observation, Refusal } from "./plan/observation.ts";
import { Jobs, type StoredImageDiff } from "./resources.ts";

export interface ReconcilerOptions {
  client: Client;
  caches: Caches;
  observer: Observer;
  places: Places;
  statuses: StatusWriter;
  events: EventRecorder;
  log: Log;
  /** Called after a status has been written. */
  onStatus?: (resource: StoredImageDiff, status: NonNullable<StoredImageDiff["status"]>) => void;
}

/** What an event says that the operator did, by its kind. */
const EVENT_ACTION = "Reconcile";

/** How often it is asked whether a Job has gone whose ImageDiff is gone, in seconds. */
const LINGERING_SECONDS = 5;

export class Reconciler {
  readonly #options: ReconcilerOptions;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /**
   * Brings one resource a step further.
   * @param key `namespace/name`.
   * @throws ApiError or the network's error: to be tried again.
   */
  async reconcile(key: string): Promise<{ lookAgainSeconds?: number }> {
    const { caches } = this.#options;
    const [namespace = "", name = ""] = key.split("/");
    const { uid = "" } = caches.imageDiffs.get({ namespace, name })?.metadata ?? {};
    try {
      return await this.#reconcile(key, { namespace, name }, uid);
    } finally {
      // It may have gone meanwhile, and what was noted since would be kept for ever.
      const now = caches.imageDiffs.get({ namespace, name });
      if (now?.metadata?.uid !== uid) this.forget(uid);
    }
  }

  /** A resource is gone: nothing about it is kept but what its Job still takes. */
  forget(uid: string): void {
    this.#options.statuses.forget(uid);
    this.#options.observer.forget(uid);
  }

  async #reconcile(
    key: string,
    { namespace, name }: ObjectKey,
    uid: string,
  ): Promise<{ lookAgainSeconds?: number }> {
    const { caches, statuses, places } = this.#options;
    const lingers = await this.#settle({ namespace, name }, uid);
    const cached = caches.imageDiffs.get({ namespace, name });
    if (cached === undefined) {
      places.settle(key, false);
      return lingers ? { lookAgainSeconds: LINGERING_SECONDS } : {};
    }
    const stored = statuses.latest(cached);
    const resource = parsed(stored);
    const decided =
      resource instanceof Failure
        ? planInvalid(stored, resource, new Date())
        : await this.#decideAndAct(key, resource);
    places.settle(key, decided.waitsForPlace === true);
    await this.#tell(stored, decided);
    const { lookAgainSeconds = Infinity } = decided;
    const soonest = Math.min(lookAgainSeconds, lingers ? LINGERING_SECONDS : Infinity);
    return soonest === Infinity ? {} : { lookAgainSeconds: soonest };
  }

  async #decideAndAct(key: string, resource: ImageDiff): Promise<Plan> {
    const { observer, places } = this.#options;
    let observation = await observer.observe(resource);
    let decided = plan(observation);
    if (decided.actions.some(isGrave) || endsUnseen(decided, observation)) {
      const live = await observer.observeLive(resource);
      // From here to the reservation nothing else gets to run, so that no two take one place.
      observation = observer.withOthers(live);
      decided = plan(observation);
    } else if (decided.actions.some(({ type }) => type === "UpdateJob")) {
      await observer.requireSame(resource);
    }
    places.settle(key, decided.waitsForPlace === true);
    const refusal = await this.#act(resource, decided.actions);
    if (refusal === undefined) return decided;
    observer.refused(resource, refusal);
    return plan({ ...observation, now: refusal.at, refusal });
  }

  async #act(resource: ImageDiff, actions: readonly Action[]): Promise<Refusal | undefined> {
    const { client, places, log } = this.#options;
    const { namespace, name, uid = "" } = resource.metadata;
    const job = jobKey(resource);
    const starts = actions.some(startsJob);
    if (starts) places.reserve(job, { name, uid });
    try {
      for (const action of actions) {
        log.info({ ...who(resource), action: action.type }, "acts");
        const { refusal, job: started } = await act(client, resource, action);
        if (startsJob(action) && started !== undefined) places.confirm(started);
        else if (startsJob(action)) places.release(job);
        if (refusal !== undefined) return refusal;
      }
    } catch (error) {
      if (starts) places.doubt(job);
      // Where an answer came, the next one is likely to come too; else the next look has to do.
      if (error instanceof ApiError) await this.#settle({ namespace, name }, uid).catch(() => {});
      throw error;
    }
    return undefined;
  }

  /**
   * Asks for the Jobs of which the cache may never hear, so that their places are given back.
   * @returns whether one is still there that belonged to an ImageDiff that is gone.
   */
  async #settle(key: ObjectKey, uid: string | undefined): Promise<boolean> {
    const { places } = this.#options;
    let lingers = false;
    for (const { job, orphaned } of places.unsettled(key, uid)) {
      const started = await this.#started(job);
      if (started === undefined) places.release(job);
      else if (orphaned) lingers = true;
      else places.confirm(started);
    }
    return lingers;
  }

  async #started(key: ObjectKey): Promise<Job | undefined> {
    try {
      const job = await this.#options.client.get(Jobs, key);
      return job.spec?.suspend === true ? undefined : job;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #tell(stored: StoredImageDiff, { status, announcements }: Plan): Promise<void> {
    const { statuses, onStatus, log } = this.#options;
    const written = await statuses.write(stored, status);
    if (!written) return;
    log.info({ ...who(stored), phase: status.phase }, "status written");
    onStatus?.(stored, status);
    for (const announcement of announcements) this.#announce(stored, announcement);
  }

  #announce({ apiVersion, kind, metadata }: StoredImageDiff, announcement: Announcement): void {
    const { namespace = "", name = "", uid = "" } = metadata ?? {};
    this.#options.events.record(
      { apiVersion: apiVersion ?? "", kind: kind ?? "", namespace, name, uid },
      { ...announcement, action: EVENT_ACTION },
    );
  }
}

/** Whether an action starts an engine, or takes one's work away. */
function isGrave(action: Action): boolean {
  return startsJob(action) || action.type === "DeleteJob";
}

/** Whether a resource is told for good on nothing but what the caches say of its claims. */
function endsUnseen({ status }: Plan, { jobs, status: before }: Observation): boolean {
  const ends = status.completionTime !== undefined && before.completionTime === undefined;
  return ends && jobs.length === 0;
}

function jobKey(resource: ImageDiff): ObjectKey {
  return { namespace: resource.metadata.namespace, name: jobName(resource) };
}

/** Which resource a line of the log is about. */
function who({ metadata }: StoredImageDiff | ImageDiff): object {
  const { namespace, name, uid } = metadata ?? {};
  return { namespace, name, uid };
}

/** Whether an engine may start from it: that needs a place, and a last look at the images' users. */
function startsJob(action: Action): boolean {
  return (
    action.type === "CreateJob" || (action.type === "UpdateJob" && action.spec.suspend === false)
  );
}

/** By the object in the cache: a resource is checked once for each of its versions. */
const checked = new WeakMap<StoredImageDiff, ImageDiff | Failure>();

function parsed(stored: StoredImageDiff): ImageDiff | Failure {
  let result = checked.get(stored);
  if (result === undefined) {
    result = validated(stored);
    checked.set(stored, result);
  }
  return result;
}

function validated(stored: StoredImageDiff): ImageDiff | Failure {
  try {
    const resource = validateImageDiff(stored);
    return stored.status === undefined ? resource : { ...resource, status: stored.status };
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
}
