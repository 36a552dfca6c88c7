/** What a pod says about itself. */
import type { Container, ContainerState, Pod, PodCondition } from "kubernetes-types/core/v1.d.ts";
import { ENGINE_CONTAINER } from "./labels.ts";

export function nameOf(object: { metadata?: { name?: string } }): string {
  return object.metadata?.name ?? "";
}

/** A pod that has ended holds none of its volumes. */
export function hasEnded({ status }: Pod): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}

/** The engine's container; there may be others, which an admission webhook has added. */
export function engineContainer({ spec }: Pod): Container | undefined {
  return spec?.containers?.find(({ name }) => name === ENGINE_CONTAINER);
}

/** The state of the engine's container. */
export function engineState({ status }: Pod): ContainerState {
  return status?.containerStatuses?.find(({ name }) => name === ENGINE_CONTAINER)?.state ?? {};
}

/** Whether the engine is at work in the pod. */
export function isAtWork(pod: Pod): boolean {
  return !hasEnded(pod) && engineState(pod).running !== undefined;
}

/** Whether the engine did its work in the pod. */
export function hasSucceeded(pod: Pod): boolean {
  const { terminated } = engineState(pod);
  return pod.status?.phase === "Succeeded" || terminated?.exitCode === 0;
}

/** Whether the engine did not do its work in the pod, and will not. */
export function hasFailed(pod: Pod): boolean {
  const { terminated } = engineState(pod);
  return pod.status?.phase === "Failed" || (terminated?.exitCode ?? 0) !== 0;
}

/**
 * When the engine was started in the pod, if it was. A container that could not be started has
 * the beginning of time there.
 */
export function engineStart(pod: Pod): Date | undefined {
  const { running, terminated } = engineState(pod);
  const moment = Date.parse((running ?? terminated)?.startedAt ?? "");
  return moment > 0 ? new Date(moment) : undefined;
}

/** Why Kubernetes took the pod from its node, if it did: a drain, a preemption, a lost node. */
export function disruption({ status }: Pod): PodCondition | undefined {
  return status?.conditions?.find(
    ({ type, status: value }) => type === "DisruptionTarget" && value === "True",
  );
}

/** The pods from the oldest to the newest. */
export function byAge(pods: readonly Pod[]): Pod[] {
  const age = ({ metadata }: Pod): string => `${metadata?.creationTimestamp} ${metadata?.name}`;
  return pods.toSorted((a, b) => (age(a) < age(b) ? -1 : 1));
}
