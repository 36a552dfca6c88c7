/** Nothing is in the way: the engine may start. */
import { isDeepStrictEqual } from "node:util";
import type { Announcement } from "./actions.ts";
import { conditionOf } from "./announcements.ts";
import { waitingStatus, type Decision } from "./decision.ts";
import { pinnedAffinity } from "./job/affinity.ts";
import { makeJob } from "./job/job.ts";
import { presentJob } from "./jobs.ts";
import type { Observation } from "./observation.ts";
import { placement } from "./placement.ts";
import { preconditionStatus } from "./preconditions.ts";
import { refusalCause } from "./refusals.ts";
import { deletion } from "./replacement.ts";
import { adjusted, created } from "./under-way.ts";
import { podVolumes } from "./volumes.ts";

/** Seconds until a Job that was refused is asked for again, whatever else happens. */
const REFUSED_SECONDS = 30;

/** Seconds until a Job is looked for of which nothing was heard: it may have gone at once. */
const UNHEARD_LOOK_SECONDS = 60;

/** The API server has refused the Job a moment ago: what made it do so may still be so. */
export function refused(observation: Observation): Decision | undefined {
  const { refusal, now } = observation;
  if (refusal === undefined) return undefined;
  const seconds = (now.getTime() - refusal.at.getTime()) / 1000;
  // A clock that was set back must not keep anybody waiting.
  if (seconds < 0 || seconds >= REFUSED_SECONDS) return undefined;
  const cause = refusalCause("The Job", refusal.message, {
    reason: "JobRefused",
    cure: "Mend what it says of spec.job; whoever runs the cluster knows its rules and webhooks.",
  });
  const status = waitingStatus(observation, "Waiting", cause, preconditionStatus(observation));
  return { status, lookAgainSeconds: REFUSED_SECONDS - seconds };
}

/** Lets the suspended Job go on, or makes one. */
export function creation(observation: Observation): Decision {
  const { node } = placement(observation);
  const status = created(observation, preconditionStatus(observation));
  const present = presentJob(observation);
  if (present === undefined) {
    const job = makeJob(observation, node);
    return {
      actions: [{ type: "CreateJob", job }],
      status,
      lookAgainSeconds: UNHEARD_LOOK_SECONDS,
      announcements: told(observation, status),
    };
  }
  // Its claims may have moved to another node while it was suspended.
  const affinity = pinnedAffinity(observation.resource.spec.job?.affinity, node);
  if (isDeepStrictEqual(present.spec?.template.spec?.affinity, affinity)) {
    return { actions: adjusted(present, observation, false), status };
  }
  return deletion([present], observation, "is bound to a node where the claims are no longer");
}

function told(observation: Observation, status: Decision["status"]): Announcement[] {
  const { reason = "", message = "" } = conditionOf(status, "Ready") ?? {};
  if (conditionOf(observation.status, "Ready")?.reason === reason) return [];
  return [{ type: "Normal", reason, message }, ...pathsIgnored(observation)];
}

/** A path that was given for a Block claim, whose device is the image. */
function pathsIgnored(observation: Observation): Announcement[] {
  const { base, modified } = observation.resource.spec;
  const volumes = podVolumes(observation);
  return Object.entries({ base, modified })
    .filter(([, { claimName, path }]) => volumes(claimName).block && path !== DEFAULT_PATH)
    .map(([part, { claimName, path }]) => ({
      type: "Warning",
      reason: "PathIgnored",
      message: `spec.${part}.path ${path} is ignored: ${claimName} is a Block claim, and its device is the image.`,
    }));
}

/** What the schema fills in: nobody has asked for it. */
const DEFAULT_PATH = "disk.img";
