/** A Job that has to go before there can be another. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { waitingStatus, type Decision } from "./decision.ts";
import { diagnosis } from "./diagnosis.ts";
import { pinnedAffinity, pinnedNode } from "./job/affinity.ts";
import { hasFailedByOldWishes, isCurrent, isLeaving, presentJob } from "./jobs.ts";
import { jobName, JOB_NAME_LABEL } from "./labels.ts";
import type { Observation } from "./observation.ts";
import { nodesOfClaims } from "./placement.ts";
import { hasEnded, nameOf } from "./pods.ts";
import type { Cause } from "./states.ts";

/**
 * Deletes a Job that was made with other settings, and waits until it and its pods are gone. A Job
 * that somebody else deleted is waited for in the same way, and then made again.
 */
export function replacement(observation: Observation): Decision | undefined {
  const { jobs } = observation;
  const obsolete = jobs.filter((job) => !isLeaving(job) && !isCurrent(job, observation));
  if (obsolete.length > 0) {
    return deletion(obsolete, observation, "was made with other settings in spec.job");
  }
  const limited = jobs.filter((job) => !isLeaving(job) && hasFailedByOldWishes(job, observation));
  if (limited.length > 0) {
    return deletion(limited, observation, "has come to a limit that has been raised since");
  }
  const leaving = jobs.find(isLeaving);
  if (leaving !== undefined) return anew(observation, `Job ${nameOf(leaving)} is being deleted`);
  const pod = leftoverPod(observation);
  return pod && anew(observation, `Pod ${nameOf(pod)} has outlived its Job`);
}

/**
 * No node can take the pod of the Job, which is bound to one where its claims were when it was made
 * and are not now: that node may be full, or gone. A pod that has a claim and is on no node itself
 * is no reason to stay: it may be another engine that waits for this one.
 */
export function misplaced(observation: Observation): Decision | undefined {
  const job = presentJob(observation);
  const pinned = pinnedNode(job?.spec?.template.spec?.affinity);
  if (job === undefined || pinned === undefined || job.spec?.suspend === true) return undefined;
  if (diagnosis(job, observation)?.reason !== "Unschedulable") return undefined;
  const own = pinnedNode(pinnedAffinity(observation.resource.spec.job?.affinity, undefined));
  if (own === pinned || nodesOfClaims(observation).has(pinned)) return undefined;
  return deletion([job], observation, `is bound to node ${pinned}, where the claims are no longer`);
}

/** Deletes Jobs, so that another can take their place. */
export function deletion(jobs: readonly Job[], observation: Observation, why: string): Decision {
  const actions = jobs.map(({ metadata }) => ({
    type: "DeleteJob" as const,
    name: metadata?.name ?? "",
    uid: metadata?.uid ?? "",
  }));
  return { ...anew(observation, `Job ${jobs.map(nameOf).join(" and ")} ${why}`), actions };
}

function anew(observation: Observation, what: string): Decision {
  const message = `${what}; the work starts anew once it and its pod are gone.`;
  const cause: Cause = { reason: "ReplacingJob", message };
  return { status: waitingStatus(observation, "Waiting", cause) };
}

/** A pod that has outlived its Job: the next engine would find it at the same output. */
function leftoverPod({ resource, jobs, pods, users }: Observation): Pod | undefined {
  const name = jobName(resource);
  const present = new Set(jobs.map(({ metadata }) => metadata?.uid));
  return [...pods, ...users.map(({ pod }) => pod)].find(
    (pod) =>
      !hasEnded(pod) &&
      pod.metadata?.labels?.[JOB_NAME_LABEL] === name &&
      !pod.metadata.ownerReferences?.some(({ uid }) => present.has(uid)),
  );
}
