/** Resources for which nothing is left to do but to go. */
import type { Decision } from "./decision.ts";
import type { Observation } from "./observation.ts";

/** A timer longer than this is set again when it ends: those of Node hold 24 days. */
const LONGEST_WAIT_SECONDS = 86_400;

/**
 * The resource is being deleted. Its Job goes with it, by the garbage collector; the overlay, if
 * there is one, stays. There is no finalizer: a resource whose controller is gone can go too.
 */
export function beingDeleted({ resource, status }: Observation): Decision | undefined {
  return resource.metadata.deletionTimestamp === undefined ? undefined : { status };
}

/** The work is done or has finally failed: whatever changes from now on, it is not done again. */
export function finished({ resource, status, now }: Observation): Decision | undefined {
  if (status.completionTime === undefined) return undefined;
  const { ttlSecondsAfterFinished } = resource.spec;
  if (ttlSecondsAfterFinished === undefined) return { status };
  const age = (now.getTime() - Date.parse(status.completionTime)) / 1000;
  const left = Math.ceil(ttlSecondsAfterFinished - age);
  if (Number.isNaN(left)) return { status };
  if (left > 0) return { status, lookAgainSeconds: Math.min(left, LONGEST_WAIT_SECONDS) };
  return { status, actions: [{ type: "DeleteResource", uid: resource.metadata.uid ?? "" }] };
}
