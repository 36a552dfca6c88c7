/** What a decision needs to know beyond what the caches have. */
import { ageSeconds } from "./decision.ts";
import { startingPod } from "./diagnosis.ts";
import { presentJob, podsOf } from "./jobs.ts";
import type { Observation } from "./observation.ts";
import { outcome } from "./outcome.ts";
import { saidNothing } from "./pod-failure.ts";
import { byAge, hasFailed } from "./pods.ts";
import { workingPod } from "./under-way.ts";

/** Seconds that a Job may be without a pod, or a pod without its container, for good reasons. */
const PATIENCE_SECONDS = { job: 3, pod: 10 };

/** Whether events may tell why the engine does not start. */
export function needsHappenings(observation: Observation): boolean {
  const job = presentJob(observation);
  if (job === undefined || job.spec?.suspend === true || isOver(observation)) return false;
  if (observation.resource.spec.suspend) return false;
  if (workingPod(job, observation) !== undefined) return false;
  const pod = startingPod(byAge(podsOf(job, observation)));
  if (pod === undefined) return ageSeconds(job, observation) >= PATIENCE_SECONDS.job;
  return ageSeconds(pod, observation) >= PATIENCE_SECONDS.pod;
}

/**
 * Whether the log of the newest pod is worth reading: for progress, or for what the engine said
 * before it ended without giving a reason.
 */
export function wantsLog(observation: Observation): boolean {
  const { status, pods } = observation;
  if (status.completionTime !== undefined) return false;
  const job = presentJob(observation);
  if (job !== undefined && !isOver(observation) && workingPod(job, observation) !== undefined) {
    return true;
  }
  const last = byAge(pods).at(-1);
  return last !== undefined && hasFailed(last) && saidNothing(last);
}

function isOver(observation: Observation): boolean {
  return observation.status.completionTime !== undefined || outcome(observation) !== undefined;
}
