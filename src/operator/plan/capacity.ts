/** Whether another engine may run now. */
import { waitingStatus, type Decision } from "./decision.ts";
import type { Observation } from "./observation.ts";
import { placement } from "./placement.ts";
import { preconditionStatus } from "./preconditions.ts";
import type { Cause } from "./states.ts";

/** Seconds until places on nodes are counted again: as long as a Job without a pod counts. */
const LOOK_SECONDS = 60;

/** Waits where the administrator's caps are reached. Who asked before comes first. */
export function withoutPlace(observation: Observation): Decision | undefined {
  const { settings, load } = observation;
  const { maxJobs = Infinity, maxJobsPerNode = Infinity } = settings;
  const { node } = placement(observation);
  const ahead = load.jobs + load.waitingBefore;
  // A pod that is on no node yet may come to any: so the cap holds wherever the scheduler puts it.
  const onNode =
    (node === undefined ? Math.max(0, ...load.perNode.values()) : (load.perNode.get(node) ?? 0)) +
    load.unplaced;
  const message =
    ahead >= maxJobs
      ? `The controller runs no more Jobs at once (--max-jobs ${maxJobs}): this one starts when its turn comes.`
      : onNode >= maxJobsPerNode
        ? `The controller runs no more Jobs on a node at once (--max-jobs-per-node ${maxJobsPerNode}): this one starts when its turn comes.`
        : undefined;
  if (message === undefined) return undefined;
  const cause: Cause = { reason: "CapacityReached", message };
  const status = preconditionStatus(observation);
  return {
    status: waitingStatus(observation, "Waiting", cause, status),
    waitsForPlace: true,
    // A Job that gets no pod stops counting for a node after a while, unheard.
    ...(ahead < maxJobs && { lookAgainSeconds: LOOK_SECONDS }),
  };
}
