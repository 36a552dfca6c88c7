/** Plays many pods by one script. */
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { ApiError, type Client } from "./client.ts";
import { PodIsOver, type PlayedPod } from "./pod.ts";
import { watch, type Watching } from "./watch.ts";

/** What one pod's containers do, from its arrival on a node to its end. */
export type Script = (pod: PlayedPod) => Promise<void>;

/** Which pods: those of a namespace, or of all. */
export interface Match {
  namespace?: string;
  labels?: Record<string, string>;
}

/** Its containers run, and succeed at once. */
export const succeeds: Script = async (pod) => {
  await pod.start();
  await pod.terminate({ exitCode: 0 });
};

export class Player {
  /** Resolves once new pods are seen. */
  readonly ready: Promise<void>;
  readonly #place: (pod: Pod) => Promise<PlayedPod>;
  readonly #script: Script;
  readonly #signal = new AbortController();
  readonly #watching: Watching;
  readonly #seen = new Set<string>();
  readonly #played: PlayedPod[] = [];
  readonly #scenes = new Set<Promise<void>>();
  readonly #failures: unknown[] = [];

  constructor(
    admin: Client,
    place: (pod: Pod) => Promise<PlayedPod>,
    { namespace, labels = {} }: Match,
    script: Script,
  ) {
    this.#place = place;
    this.#script = script;
    const scope = namespace === undefined ? "" : `/namespaces/${namespace}`;
    const labelSelector = Object.entries(labels)
      .map(([name, value]) => `${name}=${value}`)
      .join(",");
    this.#watching = watch<Pod>(
      admin,
      `/api/v1${scope}/pods`,
      { fieldSelector: "spec.nodeName=", labelSelector },
      ({ type, object }) => {
        if (type === "present") this.#see(object);
      },
      this.#signal.signal,
    );
    this.ready = this.#watching.ready;
  }

  /** The pods that it has placed, in their order. */
  get pods(): readonly PlayedPod[] {
    return this.#played;
  }

  /**
   * Waits for the scripts of all pods seen so far.
   * @throws AggregateError if a script failed by more than the end of its pod.
   */
  async settled(): Promise<void> {
    await Promise.all(this.#scenes);
    if (this.#failures.length > 0) throw new AggregateError(this.#failures, "scripts failed");
  }

  /**
   * Takes no new pods. Scripts that are under way go on until their pods end.
   * @throws AggregateError if one has failed.
   */
  async stop(): Promise<void> {
    this.#signal.abort();
    await this.#watching.done;
    if (this.#failures.length > 0) throw new AggregateError(this.#failures, "scripts failed");
  }

  #see(pod: Pod): void {
    const { uid = "", deletionTimestamp } = pod.metadata ?? {};
    if (this.#seen.has(uid) || deletionTimestamp !== undefined) return;
    this.#seen.add(uid);
    const scene = this.#playOne(pod)
      .catch((why: unknown) => void this.#failures.push(why))
      .finally(() => this.#scenes.delete(scene));
    this.#scenes.add(scene);
  }

  async #playOne(pod: Pod): Promise<void> {
    try {
      const played = await this.#place(pod);
      this.#played.push(played);
      await this.#script(played);
    } catch (why) {
      const isGone = why instanceof ApiError && (why.status === 404 || why.status === 409);
      if (!(isGone || why instanceof PodIsOver)) throw why;
    }
  }
}
