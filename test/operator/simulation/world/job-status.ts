/** A Job's status as the Job controller counts and concludes. */
import type { Job, JobCondition, JobStatus } from "kubernetes-types/batch/v1.d.ts";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { timestamp } from "../clock.ts";
import { engineState, hasEnded, isLeaving, isTracked, uidOf } from "./pods.ts";

export function condition({ status }: Job, type: string): JobCondition | undefined {
  return status?.conditions?.find((each) => each.type === type && each.status === "True");
}

export function isFinished(job: Job): boolean {
  return condition(job, "Complete") !== undefined || condition(job, "Failed") !== undefined;
}

export function withCondition(
  status: JobStatus,
  type: string,
  reason: string,
  message: string,
  value = "True",
): JobStatus {
  const { conditions = [] } = status;
  const present = conditions.find((each) => each.type === type);
  if (present?.status === value) return status;
  const lastTransitionTime = timestamp();
  const next = { type, status: value, reason, message, lastTransitionTime };
  return { ...status, conditions: [...conditions.filter((each) => each !== present), next] };
}

/** Whether the pod was disturbed: the podFailurePolicy does not count it. */
export function isDisturbed({ status }: Pod): boolean {
  return status?.conditions?.some(({ type }) => type === "DisruptionTarget") === true;
}

/** The pods that have ended and that nobody has counted yet. */
export function uncounted({ status }: Job, pods: readonly Pod[]): Pod[] {
  const { failed = [], succeeded = [] } = status?.uncountedTerminatedPods ?? {};
  const known = new Set([...failed, ...succeeded]);
  return pods.filter((pod) => hasEnded(pod) && isTracked(pod) && !known.has(uidOf(pod)));
}

/** The status with newly ended pods noted, and with what that leads to. */
export function noted(job: Job, pods: readonly Pod[]): JobStatus {
  const fresh = uncounted(job, pods).filter(
    (pod) => pod.status?.phase === "Succeeded" || !isDisturbed(pod),
  );
  let { status = {} } = job;
  const target = condition(job, "FailureTarget") !== undefined;
  // Where the Job is to fail, pods that are still ending count as failed too.
  const ending = target ? pods.filter((pod) => isTracked(pod) && !hasEnded(pod)) : [];
  const { failed = [], succeeded = [] } = status.uncountedTerminatedPods ?? {};
  const good = fresh.filter((pod) => pod.status?.phase === "Succeeded");
  const bad = [...fresh.filter((pod) => !good.includes(pod)), ...ending].filter(
    (pod) => !failed.includes(uidOf(pod)),
  );
  if (good.length + bad.length > 0) {
    status = {
      ...status,
      uncountedTerminatedPods: {
        failed: [...failed, ...bad.map(uidOf)],
        succeeded: [...succeeded, ...good.map(uidOf)],
      },
    };
  }
  return concluded({ ...job, status }, bad);
}

/** Conditions that announce the end of a Job. */
const announcing = new Set(["FailureTarget", "SuccessCriteriaMet"]);

/** The status with the condition that announces the Job's end, if that is near. */
function concluded({ metadata, spec, status = {} }: Job, bad: readonly Pod[]): JobStatus {
  if (status.conditions?.some(({ type }) => announcing.has(type)) === true) return status;
  const { failed = [], succeeded = [] } = status.uncountedTerminatedPods ?? {};
  const code = (pod: Pod): number => engineState(pod).terminated?.exitCode ?? 0;
  const fatal = bad.find((pod) => [2, 3, 4].includes(code(pod)));
  if (fatal !== undefined) {
    const message = `Container engine for pod ${metadata?.namespace}/${fatal.metadata?.name} failed with exit code ${code(fatal)} matching FailJob rule at index 0`;
    return withCondition(status, "FailureTarget", "PodFailurePolicy", message);
  }
  if ((status.failed ?? 0) + failed.length > (spec?.backoffLimit ?? 6)) {
    const message = "Job has reached the specified backoff limit";
    return withCondition(status, "FailureTarget", "BackoffLimitExceeded", message);
  }
  if (isOverdue(spec?.activeDeadlineSeconds, status)) {
    const message = "Job was active longer than specified deadline";
    return withCondition(status, "FailureTarget", "DeadlineExceeded", message);
  }
  if ((status.succeeded ?? 0) + succeeded.length === 0) return status;
  const message = "Reached expected number of succeeded pods";
  return withCondition(status, "SuccessCriteriaMet", "CompletionsReached", message);
}

function isOverdue(deadline: number | undefined, { startTime }: JobStatus): boolean {
  return deadline !== undefined && Date.now() >= Date.parse(startTime ?? "") + deadline * 1000;
}

/** The status once the noted pods are let go: they are counted, and with the last one it ends. */
export function counted(job: Job, pods: readonly Pod[]): JobStatus {
  let { status = {} } = job;
  const held = new Set(pods.filter(isTracked).map(uidOf));
  const { failed = [], succeeded = [] } = status.uncountedTerminatedPods ?? {};
  const done = (uids: readonly string[]): number => uids.filter((uid) => !held.has(uid)).length;
  const [bad, good] = [done(failed), done(succeeded)];
  if (bad + good > 0) {
    status = {
      ...status,
      ...(bad > 0 && { failed: (status.failed ?? 0) + bad }),
      ...(good > 0 && { succeeded: (status.succeeded ?? 0) + good }),
      uncountedTerminatedPods: {
        failed: failed.filter((uid) => held.has(uid)),
        succeeded: succeeded.filter((uid) => held.has(uid)),
      },
    };
  }
  return ended({ ...job, status }, pods);
}

function ended(job: Job, pods: readonly Pod[]): JobStatus {
  const { status = {} } = job;
  const { failed = [], succeeded = [] } = status.uncountedTerminatedPods ?? {};
  const met = condition(job, "SuccessCriteriaMet");
  const why = met ?? condition(job, "FailureTarget");
  const open = failed.length + succeeded.length > 0 || pods.some((pod) => !hasEnded(pod));
  if (why === undefined || open || isFinished(job)) return status;
  const { reason = "", message = "" } = why;
  const type = met === undefined ? "Failed" : "Complete";
  const next = withCondition(status, type, reason, message);
  return met === undefined ? next : { ...next, completionTime: timestamp() };
}

/** The numbers of pods that are at work and that are ending. */
export function tallied(status: JobStatus, pods: readonly Pod[]): JobStatus {
  const running = pods.filter((pod) => !hasEnded(pod));
  const active = running.filter((pod) => !isLeaving(pod)).length;
  const { active: _, ...rest } = status;
  const terminating = running.filter(isLeaving).length;
  // kubernetes-types is older than this field.
  return { ...rest, ...(active > 0 && { active }), terminating };
}
