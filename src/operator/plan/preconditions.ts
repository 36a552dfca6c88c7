/** What has to be so before the engine may start. */
import type { ImageDiffStatus } from "../../api/status.ts";
import { Failure } from "../../report/reasons.ts";
import { engineArguments } from "./arguments.ts";
import { attempted } from "./attempts.ts";
import { claimObstacles } from "./claims.ts";
import { momentOf, waitingStatus, type Decision } from "./decision.ts";
import { isLeaving } from "./jobs.ts";
import type { Observation } from "./observation.ts";
import { placement } from "./placement.ts";
import { sameImage } from "./same-image.ts";
import { exclusiveObstacle, idleWords, sourceObstacle } from "./sources.ts";
import { set, without, type Cause } from "./states.ts";
import { failedStatus } from "./status.ts";
import { podVolumes } from "./volumes.ts";

/** Volumes and storage classes may change unheard. */
const LOOK_SECONDS = 60;

/** Inputs that no waiting can cure. */
export function impossible(observation: Observation): Decision | undefined {
  // A claim that is being deleted may be made anew as another kind.
  if ([...observation.claims.values()].some(({ claim }) => claim && isLeaving(claim))) {
    return undefined;
  }
  const failure = sameImage(observation) ?? argumentsFailure(observation);
  if (failure === undefined) return undefined;
  const { resource, now } = observation;
  return { status: failedStatus(observation.status, failure, { resource, now }) };
}

function argumentsFailure(observation: Observation): Cause | undefined {
  try {
    engineArguments(observation.resource, podVolumes(observation));
    return undefined;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { reason: error.reason, message: error.message };
  }
}

/** Waits for whatever is in the way. All of it is told at once, so that it can be cured at once. */
export function obstructed(observation: Observation): Decision | undefined {
  const causes = [
    ...claimObstacles(observation),
    sourceObstacle(observation),
    exclusiveObstacle(observation),
    placement(observation).obstacle,
  ].filter((cause) => cause !== undefined);
  const [first] = causes;
  if (first === undefined) return undefined;
  const message = causes.map((cause) => cause.message).join(" ");
  const status = preconditionStatus(observation);
  return {
    status: waitingStatus(observation, "Waiting", { reason: first.reason, message }, status),
    lookAgainSeconds: LOOK_SECONDS,
  };
}

/** The status with the conditions that tell of what is in the way, or that nothing is. */
export function preconditionStatus(observation: Observation): ImageDiffStatus {
  const moment = momentOf(observation);
  const { progress: _, ...status } = attempted(observation);
  const inUse = sourceObstacle(observation);
  const idle: Cause = { reason: "Idle", message: idleWords(observation) };
  const checked = set(status, "SourcesIdle", inUse ? "False" : "True", inUse ?? idle, moment);
  const { obstacle } = placement(observation);
  // Without an obstacle that can be foreseen it is the scheduler who knows, once there is a pod.
  if (obstacle === undefined) return without(checked, "Schedulable");
  return set(checked, "Schedulable", "False", obstacle, moment);
}
