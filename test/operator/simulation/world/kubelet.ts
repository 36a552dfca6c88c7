/** Starts the containers of pods, reports on them, and ends those that are to go. */
import type { ContainerState, Pod } from "kubernetes-types/core/v1.d.ts";
import { keyOf } from "../../../../src/kube/resource-type.ts";
import { Pods } from "../../../../src/operator/resources.ts";
import { timestamp } from "../clock.ts";
import type { ApiServer } from "../server/api-server.ts";
import { Agenda, type Pace } from "./agenda.ts";
import { stopped, type Exit } from "./engine.ts";
import { tell } from "./events.ts";
import { engineState, hasEnded, isLeaving, textOf } from "./pods.ts";

/** Seconds between two attempts to start what cannot be started. */
const RETRY_SECONDS = 6;

/** What the containers do. */
export interface Programs {
  /** Why a container cannot start: a reason of its state, or one of an event. */
  obstacle(pod: Pod): { waiting?: string; event?: string; message: string } | undefined;
  /** Why a container ends without having been started, if so. */
  refuses(pod: Pod): Exit | undefined;
  /** A container has started. */
  started(pod: Pod): void;
  /** It was told to end, and has. */
  killed(pod: Pod): void;
}

export class Kubelet {
  readonly #server: ApiServer;
  readonly #programs: Programs;
  readonly #agenda: Agenda;

  constructor(server: ApiServer, programs: Programs, pace: Pace) {
    this.#server = server;
    this.#programs = programs;
    this.#agenda = new Agenda((key) => this.#sync(key), pace);
    server.listen(({ kind, type, object }) => {
      const pod = object as Pod;
      if (kind !== "v1/pods" || type === "DELETED" || pod.spec?.nodeName === undefined) return;
      this.#agenda.soon(textOf(pod));
    });
  }

  #sync(text: string): void {
    const [namespace = "", name = ""] = text.split("/");
    const pod = this.#server.get(Pods, { namespace, name });
    if (pod?.spec?.nodeName === undefined) return;
    if (isLeaving(pod)) return this.#end(pod);
    const state = engineState(pod);
    if (hasEnded(pod) || state.running !== undefined) return;
    if (state.waiting === undefined) {
      return this.#report(pod, { waiting: { reason: "ContainerCreating" } });
    }
    const obstacle = this.#programs.obstacle(pod);
    if (obstacle === undefined) return this.#start(pod);
    const { waiting, event, message } = obstacle;
    if (waiting !== undefined) this.#report(pod, { waiting: { reason: waiting, message } });
    if (event !== undefined) tell(this.#server, pod, event, message);
    this.#agenda.soon(text, RETRY_SECONDS);
  }

  #start(pod: Pod): void {
    const refusal = this.#programs.refuses(pod);
    // Such a container has the beginning of time as its start.
    const startedAt = "1970-01-01T00:00:00Z";
    if (refusal !== undefined) return this.#report(pod, { terminated: { ...refusal, startedAt } });
    this.#report(pod, { running: { startedAt: timestamp() } });
    this.#programs.started(pod);
  }

  /** The container of a pod has ended by itself, if it is still there. */
  exit(pod: Pod, { exitCode, reason, message }: Exit, evicted = false): void {
    const present = this.#server.get(Pods, keyOf(pod));
    if (present === undefined || present.metadata?.uid !== pod.metadata?.uid) return;
    const { running } = engineState(present);
    if (running === undefined) return;
    const said = { exitCode, reason, ...(message !== undefined && { message }) };
    const terminated = { ...said, ...running, finishedAt: timestamp() };
    this.#report(present, { terminated }, evicted);
  }

  #end(pod: Pod): void {
    const { running } = engineState(pod);
    if (running !== undefined) {
      this.exit(pod, stopped());
      return this.#programs.killed(pod);
    }
    if (!hasEnded(pod)) {
      const terminated = { exitCode: 137, reason: "ContainerStatusUnknown" };
      return this.#report(pod, { terminated });
    }
    // The last word of a kubelet about a pod.
    this.#server.update(Pods, keyOf(pod), (present) => ({
      ...present,
      metadata: { ...present.metadata, deletionGracePeriodSeconds: 0 },
    }));
  }

  #report(pod: Pod, state: ContainerState, evicted = false): void {
    const { name = "", image = "" } = pod.spec?.containers[0] ?? {};
    const exitCode = state.terminated?.exitCode;
    const ended = exitCode === 0 ? "Succeeded" : "Failed";
    const phase = exitCode === undefined ? (state.running ? "Running" : "Pending") : ended;
    const disrupted = {
      type: "DisruptionTarget",
      status: "True",
      reason: "TerminationByKubelet",
      message: "The node was low on resource: memory.",
      lastTransitionTime: timestamp(),
    };
    this.#server.update(Pods, keyOf(pod), (present) => ({
      ...present,
      status: {
        ...present.status,
        phase,
        ...(evicted && { reason: "Evicted", message: disrupted.message }),
        conditions: [...(present.status?.conditions ?? []), ...(evicted ? [disrupted] : [])],
        containerStatuses: [
          { name, image, imageID: "", ready: state.running !== undefined, restartCount: 0, state },
        ],
      },
    }));
  }
}
