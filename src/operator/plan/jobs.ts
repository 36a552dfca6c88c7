/** The Jobs of a resource, and what they say about themselves. */
import type { Job, JobCondition } from "kubernetes-types/batch/v1.d.ts";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import type { KubeObject } from "../../kube/resource-type.ts";
import { GENERATION_KEY, jobName, settingsDigest, SETTINGS_KEY } from "./labels.ts";
import type { Observation } from "./observation.ts";
import { nameOf } from "./pods.ts";

/** The condition of that type if it is true. */
export function jobCondition(
  { status }: Job,
  type: "Complete" | "Failed" | "FailureTarget" | "Suspended",
): JobCondition | undefined {
  return status?.conditions?.find((each) => each.type === type && each.status === "True");
}

export function isLeaving({ metadata }: KubeObject): boolean {
  return metadata?.deletionTimestamp !== undefined;
}

/** Whether the Job is the one that the resource should have, made with its present settings. */
export function isCurrent(job: Job, { resource }: Observation): boolean {
  return (
    nameOf(job) === jobName(resource) &&
    job.metadata?.annotations?.[SETTINGS_KEY] === settingsDigest(resource)
  );
}

/** The Job that does or will do the resource's work. */
export function presentJob(observation: Observation): Job | undefined {
  return observation.jobs.find((job) => !isLeaving(job) && isCurrent(job, observation));
}

/** By this the Job controller keeps a pod that it has not counted yet (KEP-2307). */
const TRACKING_FINALIZER = "batch.kubernetes.io/job-tracking";

/**
 * Whether the Job shall go on after a pod's end: the Job controller has taken note of it. A pod
 * that somebody deletes is gone by then; what became of it would never be told.
 */
export function isJudged(pod: Pod, job: Job): boolean {
  const counted = pod.metadata?.finalizers?.includes(TRACKING_FINALIZER) !== true;
  return (counted || isLeaving(pod)) && jobCondition(job, "FailureTarget") === undefined;
}

/**
 * Whether a Job has come to a limit that the user has raised since, or with settings that have been
 * changed since: before anybody could pass that on to it. What was passed on and is not so counts
 * no more: the cluster may cap limits.
 */
export function hasFailedByOldWishes(job: Job, observation: Observation): boolean {
  const { metadata, spec: wish } = observation.resource;
  const passedOn = Number(job.metadata?.annotations?.[GENERATION_KEY] ?? 0);
  if (passedOn >= (metadata.generation ?? 0)) return false;
  const { activeDeadlineSeconds, backoffLimit } = wish;
  const { spec } = job;
  switch (jobCondition(job, "Failed")?.reason) {
    case "DeadlineExceeded":
      return (
        !isCurrent(job, observation) ||
        activeDeadlineSeconds > (spec?.activeDeadlineSeconds ?? Infinity)
      );
    case "BackoffLimitExceeded":
      return !isCurrent(job, observation) || backoffLimit > (spec?.backoffLimit ?? Infinity);
    default:
      return false;
  }
}

/** The pods of one Job. */
export function podsOf({ metadata }: Job, { pods }: Observation): Pod[] {
  return pods.filter((pod) =>
    pod.metadata?.ownerReferences?.some(({ uid }) => uid === metadata?.uid),
  );
}
