/** How the work came out. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { outputPath } from "../../api/resource.ts";
import { ImageDiffStatus, StatusBounds } from "../../api/status.ts";
import { OverlayResult } from "../../report/schema.ts";
import { conditionOf } from "./announcements.ts";
import { allowed } from "./allowed.ts";
import { timestamp } from "./conditions.ts";
import { contextOf, momentOf, type Decision } from "./decision.ts";
import { hasFailedByOldWishes, isLeaving, jobCondition, podsOf } from "./jobs.ts";
import { sentence } from "./refusals.ts";
import type { Observation } from "./observation.ts";
import { podFailure, withLogTail } from "./pod-failure.ts";
import { byAge, engineState, hasFailed, hasSucceeded } from "./pods.ts";
import { clip, ready, set, without } from "./states.ts";
import { failedStatus, statusAfterLine, type Fault } from "./status.ts";
import { verifiedWords } from "./words.ts";

/**
 * The status of work that has ended. An overlay that was written counts whatever became of its
 * Job since: doing it again would find that it exists.
 */
export function outcome(observation: Observation): Decision | undefined {
  const { jobs, pods } = observation;
  const good = pods.filter(hasSucceeded);
  if (good.length > 0 || jobs.some((job) => jobCondition(job, "Complete") !== undefined)) {
    return { status: success(good, observation) };
  }
  const failed = jobs.find(
    (job) => hasFailedForGood(job) && !hasFailedByOldWishes(job, observation),
  );
  return failed && { status: failure(failed, observation) };
}

/**
 * Whether the Job has failed by itself. One that is being deleted loses its pods, and the Job
 * controller counts that as failures.
 */
function hasFailedForGood(job: Job): boolean {
  const failed = jobCondition(job, "Failed");
  if (failed === undefined || !isLeaving(job)) return failed !== undefined;
  const leftAt = Date.parse(job.metadata?.deletionTimestamp ?? "");
  return Date.parse(failed.lastTransitionTime ?? "") < leftAt;
}

function success(pods: readonly Pod[], observation: Observation): ImageDiffStatus {
  const status = worked(observation);
  for (const pod of pods) {
    const result = resultOf(pod, observation);
    if (result === undefined) continue;
    const next = statusAfterLine(status, result, contextOf(observation, false));
    // What a pod said is anybody's who may change pods: it must fit like the rest.
    if (ImageDiffStatus.safeParse(next).success) return next;
  }
  const why =
    pods.length === 0
      ? "the engine's pod was deleted before its report was read"
      : "the engine's pod has no report that can be read";
  return lost(status, why, observation);
}

/** The status before a success: a node was found, and failures there were may be unseen so far. */
function worked(observation: Observation): ImageDiffStatus {
  const status = allowed(observation);
  const isPlaced = conditionOf(status, "Schedulable")?.status !== "False";
  const next = isPlaced ? status : without(status, "Schedulable");
  const failures = byAge(observation.pods).filter(hasFailed).map(podFailure);
  const isToldBy = ({ message }: Fault): boolean => message === status.lastFailure?.message;
  const newest = failures.at(-1);
  // What is told and no pod tells any more is of a pod that is gone.
  const isGone = status.lastFailure !== undefined && !failures.some(isToldBy);
  if (newest === undefined || isGone || isToldBy(newest)) return next;
  return {
    ...next,
    lastFailure: { ...newest, message: clip(newest.message, StatusBounds.message) },
  };
}

function resultOf(pod: Pod, { resource }: Observation): OverlayResult | undefined {
  try {
    const { data } = OverlayResult.safeParse(
      JSON.parse(engineState(pod).terminated?.message ?? ""),
    );
    return data?.mode === resource.spec.mode ? data : undefined;
  } catch {
    return undefined;
  }
}

/** The overlay is there, and verified as far as asked for; an estimate was nothing but figures. */
function lost(status: ImageDiffStatus, why: string, observation: Observation): ImageDiffStatus {
  const { resource, now } = observation;
  const { mode, output, verification } = resource.spec;
  if (mode === "Estimate") {
    const message = `The estimate was made, but ${why}. Make another ImageDiff to have the figures.`;
    return failedStatus(status, { reason: "ResultLost", message }, { resource, now });
  }
  const message = `The overlay is ${output.claimName}/${outputPath(resource)}; its figures are lost, because ${why}.`;
  const done = { ...status, phase: "Succeeded" as const, completionTime: timestamp(now) };
  const moment = momentOf(observation);
  const settled = ready(done, { reason: "ResultLost", message }, moment);
  const level = ({ Full: "full", Metadata: "metadata", None: "none" } as const)[verification];
  const { verified, ...cause } = verifiedWords(level);
  return set(settled, "Verified", verified, cause, moment);
}

function failure(job: Job, observation: Observation): ImageDiffStatus {
  const { resource, now } = observation;
  const why = withLogTail(failureOf(job, observation), observation);
  return failedStatus(allowed(observation), why, { resource, now });
}

function failureOf(job: Job, observation: Observation): Fault {
  const { status, resource } = observation;
  const { reason, message = "" } = jobCondition(job, "Failed") ?? {};
  const pod = byAge(podsOf(job, observation)).findLast(hasFailed);
  const { lastFailure } = status;
  if (reason === "DeadlineExceeded") {
    const waited = status.phase === "Waiting" ? conditionOf(status, "Ready") : lastFailure;
    const before = waited === undefined ? "" : ` Before that: ${waited.message}`;
    return {
      reason,
      message: `The work took longer than the ${job.spec?.activeDeadlineSeconds ?? resource.spec.activeDeadlineSeconds} seconds of spec.activeDeadlineSeconds, which begin with the Job: the time in which its pod does not start counts, and retries do.${before}`,
    };
  }
  if (pod !== undefined) return podFailure(pod);
  if (reason === "PodFailurePolicy") {
    return {
      reason: "ReportLost",
      message: `The engine failed for good, and its pod was gone before its report was read: ${sentence(message)}`,
    };
  }
  const last = lastFailure === undefined ? message : `The last failure: ${lastFailure.message}`;
  return {
    reason: "BackoffLimitExceeded",
    message: `The engine failed more often than the ${job.spec?.backoffLimit ?? resource.spec.backoffLimit} retries of spec.backoffLimit. ${last}`,
    ...(lastFailure?.exitCode === undefined ? {} : { exitCode: lastFailure.exitCode }),
  };
}
