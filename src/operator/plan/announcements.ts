/** What users hear of once, told by how the status has changed. */
import type { Condition, ImageDiffStatus } from "../../api/status.ts";
import type { Announcement } from "./actions.ts";
import { operatorReasons } from "./reasons.ts";

/** A pod without a node usually gets one in a moment, and its own events tell if it does not. */
const quiet = new Set<string>([...operatorReasons.underWay, "HolderUnplaced"]);

/**
 * One announcement for each change of the reason: a success, a failure, a retry, and whatever the
 * work waits for and somebody should act on. Messages may change without one.
 */
export function announcementsOf(previous: ImageDiffStatus, next: ImageDiffStatus): Announcement[] {
  const ready = conditionOf(next, "Ready");
  const unchanged =
    ready?.reason === conditionOf(previous, "Ready")?.reason &&
    conditionOf(next, "Stalled")?.reason === conditionOf(previous, "Stalled")?.reason;
  if (ready === undefined || unchanged || quiet.has(ready.reason)) return [];
  const { reason, message } = ready;
  return [{ type: ready.status === "True" ? "Normal" : "Warning", reason, message }];
}

export function conditionOf(
  { conditions = [] }: ImageDiffStatus,
  type: string,
): Condition | undefined {
  return conditions.find((each) => each.type === type);
}
