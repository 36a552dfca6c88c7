/** What one question of a plan comes to. */
import type { ImageDiffStatus } from "../../api/status.ts";
import type { Plan } from "./actions.ts";
import type { Observation } from "./observation.ts";
import { moving, type Cause, type Moment } from "./states.ts";
import type { StatusContext } from "./status.ts";
import { podVolumes } from "./volumes.ts";

/** A plan before its announcements and its generation; `undefined` leaves it to the next question. */
export type Decision = Pick<Plan, "status"> & Partial<Omit<Plan, "status">>;

export function momentOf({ resource, now }: Observation): Moment {
  return { now, generation: resource.metadata.generation };
}

export function contextOf(observation: Observation, willRetry: boolean): StatusContext {
  const { resource, now } = observation;
  return { resource, now, willRetry, volumes: podVolumes(observation) };
}

/** The status of a resource whose work waits for something. No progress is made meanwhile. */
export function waitingStatus(
  observation: Observation,
  phase: NonNullable<ImageDiffStatus["phase"]>,
  cause: Cause,
  status = observation.status,
): ImageDiffStatus {
  const { progress: _, ...still } = status;
  return moving({ ...still, phase }, cause, momentOf(observation));
}

/** How long an object has existed. */
export function ageSeconds(
  { metadata }: { metadata?: { creationTimestamp?: string } },
  { now }: Observation,
): number {
  return (now.getTime() - Date.parse(metadata?.creationTimestamp ?? "")) / 1000;
}
