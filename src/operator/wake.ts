/** Which resources are looked at again after which change. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { keyOf, keyText, type KubeObject } from "../kube/resource-type.ts";
import type { Change } from "../kube/store.ts";
import type { CacheListeners, Caches } from "./observe/caches.ts";
import { claimKey, claimNames, hasEnded } from "./observe/indexes.ts";
import type { StoredImageDiff } from "./resources.ts";
import { freesPlace, type Places } from "./observe/places.ts";

export interface Waker {
  caches: () => Caches;
  places: () => Places;
  /** Has a resource looked at, by `namespace/name`. */
  wake: (key: string) => void;
  /** Has those looked at that wait for a place, as far as there are places. */
  wakeWaiting: () => void;
  /** An engine's pod has got a node, or has left it. */
  placed: () => void;
  /** A resource is gone. */
  forget: (uid: string) => void;
}

export function listeners({
  caches,
  places,
  wake,
  wakeWaiting,
  placed,
  forget,
}: Waker): CacheListeners {
  /**
   * Those that use a claim and whose engine waits, without a Job or with one that is held back:
   * only they care who else uses it.
   */
  const wakeByClaim = (namespace: string | undefined, claimName: string): void => {
    for (const resource of caches().imageDiffs.by("claim", claimKey(namespace, claimName))) {
      const key = keyText(keyOf(resource));
      const jobs = caches().jobs.by("owner", resource.metadata?.uid ?? "");
      const idle = jobs.every(({ spec }) => spec?.suspend === true);
      const finished = resource.status?.completionTime !== undefined;
      if (idle && !finished && !places().isWaiting(key)) wake(key);
    }
  };
  return {
    imageDiff({ before, after }) {
      const uid = before?.metadata?.uid;
      if (uid !== undefined && after === undefined) forget(uid);
      if (!sameWish(before, after)) wakeItself(wake, before, after);
    },
    job(change) {
      places().heard(change);
      wakeOwner(wake, change);
      if (!freesPlace(change)) return;
      wakeWaiting();
      // Until now it might have got another pod.
      const { metadata, spec } = change.before ?? {};
      for (const claim of claimNames(spec?.template ?? {})) wakeByClaim(metadata?.namespace, claim);
    },
    pod({ before, after }) {
      const pod = after ?? before;
      if (pod === undefined) return;
      const jobName = pod.metadata?.labels?.["batch.kubernetes.io/job-name"];
      const job =
        jobName === undefined
          ? undefined
          : caches().jobs.get({ namespace: pod.metadata?.namespace, name: jobName });
      if (job !== undefined) {
        wakeOwner(wake, { after: job });
        // A pod that comes to its node no longer might come to any other.
        if (before?.spec?.nodeName !== after?.spec?.nodeName) placed();
      }
      if (sameUse(before, after)) return;
      for (const claim of claimNames(pod)) wakeByClaim(pod.metadata?.namespace, claim);
    },
    claim({ before, after }) {
      const { namespace, name = "" } = (after ?? before)?.metadata ?? {};
      wakeByClaim(namespace, name);
    },
    volume({ before, after }) {
      const { namespace, name = "" } = (after ?? before)?.spec?.claimRef ?? {};
      wakeByClaim(namespace, name);
    },
  };
}

function wakeItself(wake: (key: string) => void, ...versions: (KubeObject | undefined)[]): void {
  const object = versions.find((version) => version !== undefined);
  if (object !== undefined) wake(keyText(keyOf(object)));
}

/**
 * Whether nothing has changed but what the controller itself has written. The end is an exception:
 * from then on a resource may have a time to live.
 */
function sameWish(
  before: StoredImageDiff | undefined,
  after: StoredImageDiff | undefined,
): boolean {
  if (before === undefined || after === undefined) return false;
  return (
    before.metadata?.generation === after.metadata?.generation &&
    before.metadata?.deletionTimestamp === after.metadata?.deletionTimestamp &&
    before.status?.completionTime === after.status?.completionTime
  );
}

function wakeOwner(wake: (key: string) => void, { before, after }: Change<Job>): void {
  const { namespace, ownerReferences } = (after ?? before)?.metadata ?? {};
  const owner = ownerReferences?.find(({ controller }) => controller === true);
  if (owner !== undefined) wake(keyText({ namespace, name: owner.name }));
}

/** Whether a pod holds its claims as before: a pod's claims never change, only how it fares. */
function sameUse(before: Pod | undefined, after: Pod | undefined): boolean {
  if (before === undefined || after === undefined) return false;
  return (
    hasEnded(before) === hasEnded(after) &&
    before.spec?.nodeName === after.spec?.nodeName &&
    before.metadata?.deletionTimestamp === after.metadata?.deletionTimestamp
  );
}
