/** The decision about one ImageDiff: what to do, and what its status is. */
import type { Failure } from "../../report/reasons.ts";
import type { StoredImageDiff } from "../resources.ts";
import type { Plan } from "./actions.ts";
import { announcementsOf } from "./announcements.ts";
import { withoutPlace } from "./capacity.ts";
import { creation, refused } from "./creation.ts";
import type { Observation } from "./observation.ts";
import { outcome } from "./outcome.ts";
import { impossible, obstructed } from "./preconditions.ts";
import { misplaced, replacement } from "./replacement.ts";
import { beingDeleted, finished } from "./retention.ts";
import { stalled, withGeneration } from "./states.ts";
import { suspension, withheld } from "./suspension.ts";
import { underWay } from "./under-way.ts";

/**
 * Decides about a resource. Pure, and never throws: the same observation gives the same plan, and
 * once a plan has been carried out, planning again changes nothing.
 */
export function plan(observation: Observation): Plan {
  // The first question that has an answer decides.
  const decision =
    beingDeleted(observation) ?? // Whatever is left goes by itself.
    finished(observation) ?? // Nothing is done twice; after its time to live it goes.
    outcome(observation) ?? // The engine has ended for good.
    replacement(observation) ?? // A Job or a pod has to be gone first.
    suspension(observation) ?? // The user wants no work now.
    withheld(observation) ?? // A source came into use before the engine started.
    misplaced(observation) ?? // Its pod is bound to a node that cannot take it, for no reason now.
    underWay(observation) ?? // The Job is at work, or its pod does not start.
    impossible(observation) ?? // These inputs can never work.
    obstructed(observation) ?? // A claim, a user of it or a node is in the way.
    refused(observation) ?? // The API server would not have the Job.
    withoutPlace(observation) ?? // Others have their turn.
    creation(observation);
  const { generation, deletionTimestamp } = observation.resource.metadata;
  if (deletionTimestamp !== undefined) return { actions: [], announcements: [], ...decision };
  const status = withGeneration(decision.status, generation);
  const announcements = [
    ...(decision.announcements ?? []),
    ...announcementsOf(observation.status, status),
  ];
  return { actions: [], ...decision, status, announcements };
}

/**
 * The plan for a resource that our schema refuses: the CustomResourceDefinition is another
 * version's. Nothing is touched; it goes on once the two fit again.
 */
export function planInvalid(stored: StoredImageDiff, failure: Failure, now: Date): Plan {
  const { status: previous = {}, metadata } = stored;
  const { generation, deletionTimestamp } = metadata ?? {};
  if (deletionTimestamp !== undefined) return { actions: [], announcements: [], status: previous };
  const { reason, message } = failure;
  const status = withGeneration(
    previous.completionTime === undefined
      ? stalled({ ...previous, phase: "Failed" }, { reason, message }, { now, generation })
      : previous,
    generation,
  );
  return { actions: [], status, announcements: announcementsOf(previous, status) };
}
