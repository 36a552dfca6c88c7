/** That an engine may work is itself something to tell. */
import type { ImageDiffStatus } from "../../api/status.ts";
import { conditionOf } from "./announcements.ts";
import { attempted } from "./attempts.ts";
import { momentOf } from "./decision.ts";
import type { Observation } from "./observation.ts";
import { idleWords } from "./sources.ts";
import { set, type Cause } from "./states.ts";

/**
 * The present status of a resource whose Job may run or has run. The images were idle when it was
 * let go, though a controller that ended right then could not say so.
 */
export function allowed(observation: Observation): ImageDiffStatus {
  const status = attempted(observation);
  if (conditionOf(status, "SourcesIdle")?.status !== "False") return status;
  const idle: Cause = { reason: "Idle", message: idleWords(observation) };
  return set(status, "SourcesIdle", "True", idle, momentOf(observation));
}
