/** A Job is at work, or will be as soon as its pod has started. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import type { ImageDiffStatus } from "../../api/status.ts";
import type { Action } from "./actions.ts";
import { allowed, scheduled } from "./allowed.ts";
import { conditionOf } from "./announcements.ts";
import { ageSeconds, contextOf, momentOf, waitingStatus, type Decision } from "./decision.ts";
import { diagnosis, startingPod } from "./diagnosis.ts";
import { jobChange } from "./job/job.ts";
import { isJudged, isLeaving, jobCondition, podsOf, presentJob } from "./jobs.ts";
import { jobName } from "./labels.ts";
import type { Observation } from "./observation.ts";
import { podFailure, withLogTail } from "./pod-failure.ts";
import { byAge, engineStart, hasFailed } from "./pods.ts";
import { withProgress } from "./progress.ts";
import { moving, set, without, type Cause } from "./states.ts";
import { retryStatus } from "./status.ts";

/** Seconds between two looks at the progress of a run, or at a Job that is about to start. */
const LOOK_SECONDS = 5;
/** The same for a Job whose pod has not started for so long. */
const SLOW_LOOK_SECONDS = 15;

/** The phases in which the engine is at work. */
const workPhases = new Set<unknown>(["Starting", "Comparing", "Converting", "Verifying"]);

/** The Job is unfinished and not suspended: what it has come to. */
export function underWay(observation: Observation): Decision | undefined {
  const job = presentJob(observation);
  if (job === undefined || job.spec?.suspend === true) return undefined;
  const actions = adjusted(job, observation, false);
  const pod = workingPod(job, observation);
  if (pod !== undefined) {
    return { actions, status: running(pod, observation), lookAgainSeconds: LOOK_SECONDS };
  }
  const slow = ageSeconds(job, observation) > SLOW_LOOK_SECONDS;
  const lookAgainSeconds = slow ? SLOW_LOOK_SECONDS : LOOK_SECONDS;
  return { actions, status: starting(job, observation), lookAgainSeconds };
}

/**
 * The pod in which the engine is at work, if any. One that ended counts until the Job controller
 * has decided whether to try again: so a status tells of a retry only where there is one.
 */
export function workingPod(job: Job, observation: Observation): Pod | undefined {
  return byAge(podsOf(job, observation)).findLast(
    (pod) => engineStart(pod) !== undefined && !(hasFailed(pod) && isJudged(pod, job)),
  );
}

/** The update that a Job needs to be as the resource says, if any. */
export function adjusted(job: Job, observation: Observation, suspend: boolean): Action[] {
  const spec = jobChange(job, observation, suspend);
  const { name = "", uid = "" } = job.metadata ?? {};
  return spec === undefined ? [] : [{ type: "UpdateJob", name, uid, spec }];
}

function starting(job: Job, observation: Observation): ImageDiffStatus {
  const pods = byAge(podsOf(job, observation));
  const pod = startingPod(pods);
  const found = diagnosis(job, observation);
  if (found !== undefined) {
    const waiting = waitingStatus(observation, "Waiting", found, allowed(observation));
    return placed(waiting, pod, found, observation);
  }
  const failed = pods.findLast(hasFailed);
  if (failed === undefined && isAtItsEnd(job, observation)) return allowed(observation);
  const status = failed === undefined ? created(observation) : retried(failed, observation);
  // Until there is a reason to say more, nothing but what was true no longer is taken back.
  if (conditionOf(status, "Schedulable")?.status !== "False") return status;
  return placed(without(status, "Schedulable"), pod, undefined, observation);
}

/** A Job whose time is over loses its pod first: what it waited for stays told until then. */
function isAtItsEnd(job: Job, observation: Observation): boolean {
  const loses = podsOf(job, observation).some(isLeaving);
  const fails = jobCondition(job, "FailureTarget") !== undefined;
  return observation.status.phase === "Waiting" && (loses || fails);
}

/** The status of a resource whose Job has been made. */
export function created(
  observation: Observation,
  status: ImageDiffStatus = allowed(observation),
): ImageDiffStatus {
  const name = jobName(observation.resource);
  const message = `Job ${name} has been made; its pod has not started yet.`;
  const cause: Cause = { reason: "JobCreated", message };
  return waitingStatus(observation, "Pending", cause, { ...status, jobName: name });
}

function retried(pod: Pod, observation: Observation): ImageDiffStatus {
  const failure = withLogTail(podFailure(pod), observation);
  const { progress: _, ...status } = allowed(observation);
  return retryStatus(status, failure, contextOf(observation, true));
}

function running(pod: Pod, observation: Observation): ImageDiffStatus {
  const { status: previous, log } = observation;
  const status = allowed(observation);
  const goesOn = workPhases.has(previous.phase) && status.attempts === previous.attempts;
  const started = goesOn ? status : freshlyStarted(status, observation);
  return withProgress(
    placed(started, pod, undefined, observation),
    log,
    contextOf(observation, true),
  );
}

function freshlyStarted(status: ImageDiffStatus, observation: Observation): ImageDiffStatus {
  const { progress: _, ...fresh } = status;
  const cause: Cause = { reason: "Starting", message: "The engine has been started." };
  return moving({ ...fresh, phase: "Starting" }, cause, momentOf(observation));
}

/** The status with the Schedulable condition as the pod has it. */
function placed(
  status: ImageDiffStatus,
  pod: Pod | undefined,
  problem: Cause | undefined,
  observation: Observation,
): ImageDiffStatus {
  const moment = momentOf(observation);
  if (problem?.reason === "Unschedulable") {
    return set(status, "Schedulable", "False", problem, moment);
  }
  const node = pod?.spec?.nodeName;
  if (node === undefined) return status;
  return set({ ...status, node }, "Schedulable", "True", scheduled(node), moment);
}
