/** A pod whose containers a test plays: it says what they do, and the node reports it. */
import type { ContainerState, ContainerStateTerminated, Pod } from "kubernetes-types/core/v1.d.ts";
import { ApiError, type Client } from "./client.ts";
import { ContainerLog } from "./container-log.ts";
import { eventually, Hopeless } from "./eventually.ts";
import { podStatus, type ContainerReport, type PodFailure } from "./pod-status.ts";

/** The pod has ended or is gone: nothing more can happen to it. */
export class PodIsOver extends Hopeless {}

export interface Ending {
  exitCode: number;
  /** As the kubelet calls it; by default Completed or Error, by the exit code. */
  reason?: string;
  /** The termination message. */
  message?: string;
  /** The container; the first by default. */
  container?: string;
}

// The kubelet takes no more than the end of it.
const maxMessageBytes = 4096;
const maxFallbackBytes = 2048;
const maxFallbackLines = 80;

export class PlayedPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Aborted once the pod is to be deleted: as the SIGTERM of its containers. */
  readonly deletion: AbortSignal;
  /**
   * Whether its containers go on after a SIGTERM, until the test ends them. By default they end
   * at once, with exit code 143.
   */
  ignoresSigterm = false;
  readonly #client: Client;
  readonly #deletion = new AbortController();
  readonly #containers = new Map<string, { report: ContainerReport; log: ContainerLog }>();
  readonly #startTime = new Date();
  #object: Pod;
  #gone = false;
  /** Why all of it failed, if not by a container. */
  #failure: PodFailure | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  /** @param client with the node's permissions. */
  constructor(client: Client, object: Pod) {
    this.#client = client;
    this.#object = object;
    this.namespace = object.metadata?.namespace ?? "";
    this.name = object.metadata?.name ?? "";
    this.uid = object.metadata?.uid ?? "";
    this.deletion = this.#deletion.signal;
    const { containers = [], initContainers = [], restartPolicy } = object.spec ?? {};
    if (restartPolicy !== "Never" || initContainers.length > 0) {
      throw new Error(`${this.name}: only pods that never restart, without init containers`);
    }
    for (const { name, image = "" } of containers) {
      const state = { waiting: { reason: "ContainerCreating" } };
      this.#containers.set(name, { report: { name, image, state }, log: new ContainerLog() });
    }
  }

  /** As the API server last showed it. */
  get object(): Pod {
    return this.#object;
  }

  /** Whether all its containers have ended. */
  get over(): boolean {
    return this.#gone || this.#reports.every(({ state }) => state.terminated !== undefined);
  }

  /** What a container has written; the first by default. */
  log(container?: string): ContainerLog {
    return this.#container(container).log;
  }

  has(container: string): boolean {
    return this.#containers.has(container);
  }

  /** Whether a container has started yet, or ended since. */
  hasStarted(container: string): boolean {
    return this.#containers.get(container)?.report.state.waiting === undefined;
  }

  /** A container cannot start yet, such as for ErrImagePull. */
  async waiting(reason: string, message?: string, container?: string): Promise<void> {
    const waiting = { reason, ...(message === undefined ? {} : { message }) };
    await this.#change(container, () => ({ waiting }));
  }

  /** A container runs from now on. */
  async start(container?: string): Promise<void> {
    await this.#change(container, () => ({ running: { startedAt: now() } }));
  }

  /** A container has ended; with the last one, so has the pod. */
  async terminate(ending: Ending): Promise<void> {
    await this.#change(ending.container, (before, log) => {
      const startedAt = before.running?.startedAt ?? now();
      return { terminated: this.#terminated(ending, startedAt, log) };
    });
  }

  /**
   * The node ends the whole pod, such as with the reason Evicted for want of memory. Eviction
   * through the API is the API server's: post to `pods/eviction`.
   */
  async fail(reason: string, message?: string): Promise<void> {
    this.#failure = { reason, ...(message === undefined ? {} : { message }) };
    await this.#endAll({ exitCode: 137 });
  }

  /** Reports a condition, such as DisruptionTarget. */
  async condition(type: string, reason: string, message = "", status = "True"): Promise<void> {
    const condition = { type, status, reason, message, lastTransitionTime: now() };
    await this.#inTurn(async () => this.#patch({ conditions: [condition] }));
  }

  /** Records an event about it, such as those of a volume that cannot be mounted. */
  async event(type: "Normal" | "Warning", reason: string, message: string): Promise<void> {
    const { namespace, name, uid } = this;
    await this.#client.create({
      apiVersion: "v1",
      kind: "Event",
      metadata: { generateName: `${name}.`, namespace },
      involvedObject: { apiVersion: "v1", kind: "Pod", namespace, name, uid },
      ...{ type, reason, message, count: 1, firstTimestamp: now(), lastTimestamp: now() },
      source: { component: "kubelet", host: this.#object.spec?.nodeName },
    });
  }

  /** The node has seen it change. */
  see(object: Pod): void {
    this.#object = object;
    if (object.metadata?.deletionTimestamp === undefined || this.deletion.aborted) return;
    this.#deletion.abort(new PodIsOver(`${this.name} is deleted`));
    void this.#end().catch(() => undefined);
  }

  /** The node has seen it go. */
  vanish(): void {
    this.#gone = true;
    this.#deletion.abort(new PodIsOver(`${this.name} is gone`));
    for (const { log } of this.#containers.values()) log.end();
  }

  get #reports(): ContainerReport[] {
    return [...this.#containers.values()].map(({ report }) => report);
  }

  #container(name?: string): { report: ContainerReport; log: ContainerLog } {
    const found =
      name === undefined ? [...this.#containers.values()][0] : this.#containers.get(name);
    if (found === undefined) throw new Error(`${this.name} has no container ${name ?? ""}`);
    return found;
  }

  #terminated(
    { exitCode, reason, message = "" }: Ending,
    startedAt: string,
    log: ContainerLog,
  ): ContainerStateTerminated {
    const bytes = Buffer.from(message);
    const said = bytes.subarray(Math.max(0, bytes.length - maxMessageBytes)).toString();
    const policy = this.#object.spec?.containers[0]?.terminationMessagePolicy;
    const fallsBack = said === "" && exitCode !== 0 && policy === "FallbackToLogsOnError";
    const tail = fallsBack ? log.read({ tailLines: maxFallbackLines }) : Buffer.alloc(0);
    return {
      exitCode,
      reason: reason ?? (exitCode === 0 ? "Completed" : "Error"),
      message: fallsBack ? tail.subarray(-maxFallbackBytes).toString() : said,
      startedAt,
      finishedAt: now(),
    };
  }

  async #change(
    container: string | undefined,
    next: (before: ContainerState, log: ContainerLog) => ContainerState,
  ): Promise<void> {
    await this.#inTurn(async () => {
      const { report, log } = this.#container(container);
      if (report.state.terminated !== undefined) throw new PodIsOver(`${report.name} has ended`);
      report.state = next(report.state, log);
      await this.#patch(podStatus(this.#object, this.#startTime, this.#reports, this.#failure));
      if (report.state.terminated !== undefined) log.end();
    });
    if (this.over && this.deletion.aborted) await this.#remove();
  }

  async #end(): Promise<void> {
    if (this.over) await this.#remove();
    else if (!this.ignoresSigterm) await this.#endAll({ exitCode: 143 });
  }

  async #endAll(ending: Ending): Promise<void> {
    for (const { name, state } of this.#reports) {
      if (state.terminated === undefined) await this.terminate({ ...ending, container: name });
    }
  }

  /** The last word of a kubelet about a deleted pod. */
  async #remove(): Promise<void> {
    const { uid } = this;
    const path = `/api/v1/namespaces/${this.namespace}/pods/${this.name}`;
    await this.#client.delete(path, { gracePeriodSeconds: 0, preconditions: { uid } });
  }

  async #patch(status: object): Promise<void> {
    const path = `/api/v1/namespaces/${this.namespace}/pods/${this.name}`;
    const patch = { metadata: { uid: this.uid }, status };
    const options = { subresource: "status", type: "strategic" } as const;
    // As long as the API server is away, a kubelet keeps its news to itself.
    await eventually(
      async () => {
        await this.#client.patch(path, patch, options).catch((why: unknown) => {
          if (!(why instanceof ApiError) || why.status >= 500) throw why;
          const isGone = why.status === 404 || why.status === 409;
          throw new (isGone ? PodIsOver : Hopeless)(why.message, { cause: why });
        });
        return true;
      },
      { timeoutMs: 60_000 },
    );
  }

  /** What happens to a pod happens in one order. */
  async #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(async () => {
      if (this.#gone) throw new PodIsOver(`${this.name} is gone`);
      return act();
    });
    this.#turn = mine.catch(() => undefined);
    return mine;
  }
}

function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}
