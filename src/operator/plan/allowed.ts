/** That an engine may work is itself something to tell. */
import type { ImageDiffStatus } from "../../api/status.ts";
import { conditionOf } from "./announcements.ts";
import { attempted } from "./attempts.ts";
import { momentOf } from "./decision.ts";
import { jobName } from "./labels.ts";
import type { Observation } from "./observation.ts";
import { byAge } from "./pods.ts";
import { idleWords } from "./sources.ts";
import { set, type Cause } from "./states.ts";

/**
 * The present status of a resource whose Job may run or has run. The images were idle when it was
 * let go, and a node was found for a pod that is on one, though a controller that ended right then
 * could not say so.
 */
export function allowed(observation: Observation): ImageDiffStatus {
  const status = { ...attempted(observation), jobName: jobName(observation.resource) };
  const moment = momentOf(observation);
  const node = byAge(observation.pods).at(-1)?.spec?.nodeName;
  const next =
    node !== undefined && isFalse(status, "Schedulable")
      ? set(status, "Schedulable", "True", scheduled(node), moment)
      : status;
  if (!isFalse(next, "SourcesIdle")) return next;
  const idle: Cause = { reason: "Idle", message: idleWords(observation) };
  return set(next, "SourcesIdle", "True", idle, moment);
}

/** Why the Schedulable condition is true. */
export function scheduled(node: string): Cause {
  return { reason: "Scheduled", message: `The engine's pod is on node ${node}.` };
}

function isFalse(status: ImageDiffStatus, type: string): boolean {
  return conditionOf(status, type)?.status === "False";
}
