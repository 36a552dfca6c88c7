/** Why a pod of the engine failed. */
import type { ContainerStateTerminated, Pod } from "kubernetes-types/core/v1.d.ts";
import { StatusBounds } from "../../api/status.ts";
import { FailureReport } from "../../report/schema.ts";
import { silentFailure } from "./conclusion.ts";
import type { Observation } from "./observation.ts";
import { disruption, engineContainer, engineState, nameOf } from "./pods.ts";
import { withoutReport } from "./progress.ts";
import { sentence } from "./refusals.ts";
import type { Fault } from "./status.ts";

/** 128 and the signal: how a process ends that was killed (SIGKILL, SIGTERM). */
const KILLED = new Set([137, 143]);

/** How the runtime calls a container whose command could not be started. */
const NOT_STARTED = new Set(["StartError", "ContainerCannotRun"]);

/**
 * Why the pod failed: who took it away counts first, then what the engine itself said, then what
 * its exit code tells.
 */
export function podFailure(pod: Pod): Fault {
  const { terminated } = engineState(pod);
  const exitCode = terminated?.exitCode;
  const code = exitCode === undefined || exitCode > 255 || exitCode < 0 ? {} : { exitCode };
  const report = failureReport(terminated);
  if (report !== undefined && report.reason !== "Interrupted") {
    return { reason: report.reason, message: report.message, ...code };
  }
  const cause = takenAway(pod) ?? (terminated ? ended(pod, terminated) : refusedByNode(pod));
  if (cause !== undefined) return { ...cause, ...code };
  const { reason, message } = report ?? silentFailure(exitCode ?? 0);
  return { reason, message, ...code };
}

/** Whether the engine ended in the pod without a word about why. */
export function saidNothing(pod: Pod): boolean {
  return failureReport(engineState(pod).terminated) === undefined;
}

/** The same with what else the engine said in its log, where that was read. */
export function withLogTail(failure: Fault, { log, status }: Observation): Fault {
  const previous = status.lastFailure;
  const same = previous?.reason === failure.reason && previous.message === failure.message;
  const text = log === undefined ? "" : withoutReport(log).slice(-StatusBounds.logTail);
  const logTail = text === "" && same ? previous.logTail : text.toWellFormed();
  return logTail === undefined || logTail === "" ? failure : { ...failure, logTail };
}

/** The engine's own words. They are a pod's, and so anybody's who may change pods. */
function failureReport(terminated: ContainerStateTerminated | undefined) {
  try {
    return FailureReport.safeParse(JSON.parse(terminated?.message ?? "")).data;
  } catch {
    return undefined;
  }
}

function takenAway(pod: Pod): Fault | undefined {
  const { reason, message = "" } = pod.status ?? {};
  if (reason === "Evicted") {
    return {
      reason: "Evicted",
      message: `The node evicted pod ${nameOf(pod)}: ${sentence(message)}`,
    };
  }
  const why = disruption(pod);
  if (why === undefined) return undefined;
  return {
    reason: "Disrupted",
    message: `Pod ${nameOf(pod)} was taken from its node, which does not count as a failure: ${sentence(why.message ?? why.reason ?? "")}`,
  };
}

/** A pod that failed before it had a container. */
function refusedByNode(pod: Pod): Fault {
  const { reason = "", message = "" } = pod.status ?? {};
  const node = pod.spec?.nodeName ?? "unknown";
  return {
    reason: "PodRefused",
    message: `Node ${node} did not start pod ${nameOf(pod)} (${reason}): ${sentence(message)}`,
  };
}

function ended(
  pod: Pod,
  { exitCode, reason = "", message = "" }: ContainerStateTerminated,
): Fault | undefined {
  if (reason === "OOMKilled") {
    const limit = engineContainer(pod)?.resources?.limits?.["memory"] ?? "none";
    return {
      reason: "OutOfMemory",
      message: `The engine was killed because it needed more memory than its limit of ${limit}: it needs a higher spec.job.resources.limits.memory.`,
    };
  }
  if (NOT_STARTED.has(reason)) {
    return {
      reason: "ContainerNotStarted",
      message: `The engine's container in pod ${nameOf(pod)} could not be started: ${sentence(message)} Check the controller's engine image.`,
    };
  }
  if (!KILLED.has(exitCode)) return undefined;
  return {
    reason: "EngineKilled",
    message: `The engine was killed from outside (exit code ${exitCode}): somebody deleted pod ${nameOf(pod)}, or its node ended it.`,
  };
}
