/**
 * The states that a resource can be in, as its conditions tell them by kstatus' rules: it moves on
 * (Reconciling), it rests, it is stuck for good (Stalled), or it is Ready. There is always one
 * Ready condition; Reconciling and Stalled exist only while they are true, and never both.
 */
import { StatusBounds, type ImageDiffStatus } from "../../api/status.ts";
import type { Reason } from "../../report/reasons.ts";
import { withCondition, withoutConditions } from "./conditions.ts";
import type { OperatorReason } from "./reasons.ts";

/** Why a condition is as it is. */
export interface Cause {
  reason: Reason | OperatorReason;
  message: string;
}

/** Of when a status is, and of which generation of the resource. */
export interface Moment {
  now: Date;
  generation: number | undefined;
}

/** Work goes on, or will once the cause has passed. */
export function moving(status: ImageDiffStatus, cause: Cause, moment: Moment): ImageDiffStatus {
  const notReady = set(without(status, "Stalled"), "Ready", "False", cause, moment);
  return set(notReady, "Reconciling", "True", cause, moment);
}

/** No work goes on, as the user wants it. */
export function resting(status: ImageDiffStatus, cause: Cause, moment: Moment): ImageDiffStatus {
  return set(without(status, "Reconciling", "Stalled"), "Ready", "False", cause, moment);
}

/** No work goes on, and none will. */
export function stalled(status: ImageDiffStatus, cause: Cause, moment: Moment): ImageDiffStatus {
  const notReady = set(without(status, "Reconciling"), "Ready", "False", cause, moment);
  return set(notReady, "Stalled", "True", cause, moment);
}

/** The work is done. */
export function ready(status: ImageDiffStatus, cause: Cause, moment: Moment): ImageDiffStatus {
  return set(without(status, "Reconciling", "Stalled"), "Ready", "True", cause, moment);
}

/** The status with one condition set. */
export function set(
  status: ImageDiffStatus,
  type: string,
  value: "True" | "False" | "Unknown",
  { reason, message }: Cause,
  { now, generation }: Moment,
): ImageDiffStatus {
  const condition = {
    type,
    status: value,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    reason,
    message: clip(message, StatusBounds.message),
  };
  return { ...status, conditions: withCondition(status.conditions ?? [], condition, now) };
}

/** The status as one about this generation; kstatus takes an older one for unfinished work. */
export function withGeneration(
  status: ImageDiffStatus,
  generation: number | undefined,
): ImageDiffStatus {
  if (generation === undefined) return status;
  const conditions = status.conditions?.map((each) => ({
    ...each,
    observedGeneration: generation,
  }));
  return { ...status, observedGeneration: generation, ...(conditions && { conditions }) };
}

/** The status without the conditions of these types. */
export function without(status: ImageDiffStatus, ...types: string[]): ImageDiffStatus {
  return { ...status, conditions: withoutConditions(status.conditions ?? [], ...types) };
}

/** At most so many characters of a text. */
export function clip(text: string, characters: number): string {
  return text.length <= characters ? text : `${text.slice(0, characters - 1).toWellFormed()}…`;
}
