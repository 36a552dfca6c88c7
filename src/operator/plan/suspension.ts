/** The engine must not start, or not go on, for now. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import { attempted } from "./attempts.ts";
import { momentOf, waitingStatus, type Decision } from "./decision.ts";
import { jobCondition, presentJob } from "./jobs.ts";
import type { Observation } from "./observation.ts";
import { hasEnded } from "./pods.ts";
import { obstructed } from "./preconditions.ts";
import { sourceObstacle } from "./sources.ts";
import { resting, type Cause } from "./states.ts";
import { adjusted, workingPod } from "./under-way.ts";

/** Seconds until an engine that is being stopped is looked at again, whatever is heard of it. */
const LOOK_SECONDS = 60;

/** The user wants no work done. */
export function suspension(observation: Observation): Decision | undefined {
  if (!observation.resource.spec.suspend) return undefined;
  const job = presentJob(observation);
  const actions = job === undefined ? [] : adjusted(job, observation, true);
  const { progress: _, ...status } = attempted(observation);
  if (
    observation.load.starting ||
    !isStopped(job) ||
    observation.pods.some((pod) => !hasEnded(pod))
  ) {
    const message = "spec.suspend is true; the engine is being stopped.";
    const cause: Cause = { reason: "Suspending", message };
    return {
      actions,
      status: waitingStatus(observation, "Suspended", cause, status),
      // The Job may go without anybody hearing that it was there.
      lookAgainSeconds: LOOK_SECONDS,
    };
  }
  const message = "spec.suspend is true; set it to false to start the work.";
  const cause: Cause = { reason: "Suspended", message };
  return {
    actions,
    status: resting({ ...status, phase: "Suspended" }, cause, momentOf(observation)),
  };
}

/** Whether the Job controller has said that none of a Job's pods is left. */
function isStopped(job: Job | undefined): boolean {
  if (job === undefined) return true;
  const { active = 0, terminating = 0 } = job.status ?? {};
  return jobCondition(job, "Suspended") !== undefined && active + terminating === 0;
}

/**
 * A source is in use by the time that the engine could start, after hours in a queue, say, or
 * before a retry. The Job is suspended, and goes on once the source is idle.
 */
export function withheld(observation: Observation): Decision | undefined {
  const job = presentJob(observation);
  if (job === undefined || job.spec?.suspend === true) return undefined;
  if (workingPod(job, observation) !== undefined) return undefined;
  const inUse = sourceObstacle(observation);
  const decision = inUse && obstructed(observation);
  return decision && { ...decision, actions: adjusted(job, observation, true) };
}
