/** How many pods have tried to do the work, since when, and where last. */
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import type { ImageDiffStatus } from "../../api/status.ts";
import { timestamp } from "./conditions.ts";
import type { Observation } from "./observation.ts";
import { byAge, disruption, engineStart, hasFailed, isAtWork } from "./pods.ts";

/**
 * The present status with the attempts that its Jobs and pods tell of. A pod may be gone that the
 * Job has counted, and one that a drained node ended is not counted by the Job.
 */
export function attempted({ status, jobs, pods, now }: Observation): ImageDiffStatus {
  const tried = byAge(pods.filter(hasTried));
  const counted = jobs.map(({ status: { failed = 0, succeeded = 0, active = 0 } = {} }) => {
    // A pod that the Job has counted already may still seem to be at work.
    const atWork = active > 0 && pods.some(isAtWork);
    return failed + succeeded + (atWork ? 1 : 0);
  });
  const attempts = Math.max(status.attempts ?? 0, tried.length, ...counted);
  if (attempts === 0) return status;
  const begun = tried.map(engineStart).find((start) => start !== undefined);
  const node = tried.at(-1)?.spec?.nodeName ?? status.node;
  const jobStart = Date.parse(jobs[0]?.status?.startTime ?? "");
  const startTime = timestamp(begun ?? (jobStart > 0 ? new Date(jobStart) : now));
  return {
    ...status,
    attempts,
    startTime: status.startTime ?? startTime,
    ...(node === undefined ? {} : { node }),
  };
}

/** As the Job counts: a failure before the engine's start is one, a pod taken away before is none. */
function hasTried(pod: Pod): boolean {
  return engineStart(pod) !== undefined || (hasFailed(pod) && disruption(pod) === undefined);
}
