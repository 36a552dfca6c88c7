/** By what the caches' objects are found. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { Pod, Volume } from "kubernetes-types/core/v1.d.ts";
import type { KubeObject } from "../../kube/resource-type.ts";
import type { StoredImageDiff } from "../resources.ts";

/** A claim among those of all namespaces. */
export function claimKey(namespace: string | undefined, claimName: string): string {
  return `${namespace ?? ""}/${claimName}`;
}

export const imageDiffIndexes = {
  claim: ({ metadata, spec }: StoredImageDiff): string[] => {
    const claims = [spec?.base?.claimName, spec?.modified?.claimName, spec?.output?.claimName];
    const names = new Set(claims.filter((name) => name !== undefined));
    return Array.from(names, (name) => claimKey(metadata?.namespace, name));
  },
};

export const jobIndexes = {
  owner: controllerUid,
  place: (job: Job): string[] => (takesPlace(job) ? ["taken"] : []),
};

export const podIndexes = {
  /** Only of pods that have not ended: an ended one holds no claim. */
  claim: (pod: Pod): string[] =>
    hasEnded(pod) ? [] : claimNames(pod).map((name) => claimKey(pod.metadata?.namespace, name)),
  job: (pod: Pod): string[] => {
    const name = pod.metadata?.labels?.["batch.kubernetes.io/job-name"];
    return name === undefined ? [] : [`${pod.metadata?.namespace}/${name}`];
  },
};

/** The claims that a pod uses, those of its generic ephemeral volumes included. */
export function claimNames({ metadata, spec }: Pod): string[] {
  const names = (spec?.volumes ?? []).map((volume) => claimNameOf(volume, metadata?.name ?? ""));
  return [...new Set(names.filter((name) => name !== undefined))];
}

/** The claim of a generic ephemeral volume is named after its pod and itself (KEP-1698). */
function claimNameOf(volume: Volume, podName: string): string | undefined {
  if (volume.ephemeral !== undefined) return `${podName}-${volume.name}`;
  return volume.persistentVolumeClaim?.claimName;
}

/** A pod that has ended holds none of its volumes. */
export function hasEnded({ status }: Pod): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}

/** Whether a Job has a pod or may get one: a suspended one does not, once its last has ended. */
export function takesPlace(job: Job): boolean {
  const { spec, status } = job;
  const { active = 0, terminating = 0 } = status ?? {};
  return !isOver(job) && (spec?.suspend !== true || active + terminating > 0);
}

/**
 * Seconds for which a Job without a pod counts. One that is refused its pod for longer, by a
 * quota say, holds nothing and must not hold others up.
 */
const PODLESS_SECONDS = 60;

/** Whether a Job that has no pod is about to get one. */
export function awaitsPod({ status }: Job, now: Date): boolean {
  // The Job controller sets it when it first sees the Job, and again when it is resumed.
  const { startTime } = status ?? {};
  if (startTime === undefined) return true;
  return (now.getTime() - Date.parse(startTime)) / 1000 < PODLESS_SECONDS;
}

/** Whether a Job has come to its end. */
export function isOver({ status }: Job): boolean {
  return (status?.conditions ?? []).some(
    ({ type, status: value }) => value === "True" && (type === "Complete" || type === "Failed"),
  );
}

/** The uid of the object that controls this one, as a list of none or one. */
export function controllerUid({ metadata }: KubeObject): string[] {
  return (metadata?.ownerReferences ?? [])
    .filter(({ controller }) => controller === true)
    .map(({ uid }) => uid);
}
