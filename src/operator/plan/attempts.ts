/** How often the engine was started, when first, and where last. */
import type { ImageDiffStatus } from "../../api/status.ts";
import { timestamp } from "./conditions.ts";
import type { Observation } from "./observation.ts";
import { byAge, engineStart, isAtWork } from "./pods.ts";

/**
 * The present status with the attempts that its Jobs and pods tell of. A pod may be gone that the
 * Job has counted, and one that a drained node ended is not counted by the Job.
 */
export function attempted({ status, jobs, pods, now }: Observation): ImageDiffStatus {
  const started = byAge(pods.filter((pod) => engineStart(pod) !== undefined));
  const counted = jobs.map(({ status: { failed = 0, succeeded = 0, active = 0 } = {} }) => {
    // A pod that the Job has counted already may still seem to be at work.
    const atWork = active > 0 && pods.some(isAtWork);
    return failed + succeeded + (atWork ? 1 : 0);
  });
  const attempts = Math.max(status.attempts ?? 0, started.length, ...counted);
  if (attempts === 0) return status;
  const [first] = started;
  const node = started.at(-1)?.spec?.nodeName ?? status.node;
  const begun = first === undefined ? undefined : engineStart(first);
  const jobStart = Date.parse(jobs[0]?.status?.startTime ?? "");
  const startTime = timestamp(begun ?? (jobStart > 0 ? new Date(jobStart) : now));
  return {
    ...status,
    attempts,
    startTime: status.startTime ?? startTime,
    ...(node === undefined ? {} : { node }),
  };
}
