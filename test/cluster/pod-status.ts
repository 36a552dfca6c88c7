/** A pod's status as a kubelet derives it from what its containers do. */
import type {
  ContainerState,
  ContainerStatus,
  Pod,
  PodCondition,
} from "kubernetes-types/core/v1.d.ts";

export interface ContainerReport {
  name: string;
  image: string;
  /** One of waiting, running and terminated. */
  state: ContainerState;
}

/** Why all of a pod failed, where no container did. */
export interface PodFailure {
  reason: string;
  message?: string;
}

/** A strategic merge patch of the status: conditions and containers are merged by their names. */
export function podStatus(
  { metadata, spec }: Pod,
  startTime: Date,
  containers: readonly ContainerReport[],
  failure: PodFailure | undefined,
): object {
  const phase = phaseOf(containers, failure);
  return {
    ...failure,
    phase,
    hostIP: "127.0.0.1",
    startTime: `${startTime.toISOString().slice(0, 19)}Z`,
    conditions: conditionsOf(phase, containers),
    containerStatuses: containers.map((report) => statusOf(report, metadata?.uid ?? "")),
    qosClass: spec?.containers.some(({ resources }) => resources !== undefined)
      ? undefined
      : "BestEffort",
  };
}

type Phase = "Pending" | "Running" | "Succeeded" | "Failed";

function phaseOf(containers: readonly ContainerReport[], failure: PodFailure | undefined): Phase {
  const ended = containers.filter(({ state }) => state.terminated !== undefined);
  if (ended.length === containers.length) {
    const failed = ended.some(({ state }) => state.terminated?.exitCode !== 0);
    return failed || failure !== undefined ? "Failed" : "Succeeded";
  }
  return containers.some(({ state }) => state.waiting !== undefined) ? "Pending" : "Running";
}

function conditionsOf(phase: Phase, containers: readonly ContainerReport[]): PodCondition[] {
  const isReady = containers.every(({ state }) => state.running !== undefined);
  const why = { Pending: "ContainersNotReady", Running: "ContainersNotReady" };
  const over = { Succeeded: "PodCompleted", Failed: "PodFailed" };
  const ready = isReady ? {} : { reason: { ...why, ...over }[phase] };
  const status = isReady ? "True" : "False";
  return [
    { type: "Initialized", status: "True" },
    { type: "Ready", status, ...ready },
    { type: "ContainersReady", status, ...ready },
  ];
}

function statusOf({ name, image, state }: ContainerReport, uid: string): ContainerStatus {
  const containerID = `containerd://${uid}-${name}`;
  const { waiting, running, terminated } = state;
  const isRunning = running !== undefined;
  // What has been another state before must say that it is not any more.
  const patch = {
    waiting: waiting ?? null,
    running: running ?? null,
    terminated: terminated === undefined ? null : { ...terminated, containerID },
  };
  return {
    ...{ name, image, imageID: "", restartCount: 0, ready: isRunning, started: isRunning },
    ...(waiting === undefined ? { containerID } : {}),
    state: patch as unknown as ContainerState,
  };
}
