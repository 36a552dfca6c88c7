/** What the parts of the cluster ask about pods. */
import type { ContainerState, Pod } from "kubernetes-types/core/v1.d.ts";
import { keyOf, keyText, type KubeObject } from "../../../../src/kube/resource-type.ts";

export const TRACKING = "batch.kubernetes.io/job-tracking";

export function uidOf({ metadata }: KubeObject): string {
  return metadata?.uid ?? "";
}

export function textOf(object: KubeObject): string {
  return keyText(keyOf(object));
}

export function hasEnded({ status }: Pod): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}

export function isLeaving({ metadata }: KubeObject): boolean {
  return metadata?.deletionTimestamp !== undefined;
}

export function isTracked({ metadata }: Pod): boolean {
  return metadata?.finalizers?.includes(TRACKING) === true;
}

export function controllerOf({ metadata }: KubeObject): string | undefined {
  return metadata?.ownerReferences?.find(({ controller }) => controller === true)?.uid;
}

export function engineState({ status }: Pod): ContainerState {
  return status?.containerStatuses?.[0]?.state ?? {};
}

/** Without the Job controller's finalizer. */
export function untracked(pod: Pod): Pod {
  const { finalizers = [], ...metadata } = pod.metadata ?? {};
  const left = finalizers.filter((each) => each !== TRACKING);
  return { ...pod, metadata: { ...metadata, ...(left.length > 0 && { finalizers: left }) } };
}
