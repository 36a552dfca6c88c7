/** The end of an engine's log, where its progress is, read no more often than it is worth. */
import { ApiError } from "../../kube/api-error.ts";
import { Backoff } from "../../kube/backoff.ts";
import type { Client } from "../../kube/client.ts";
import type { Log } from "../../kube/log.ts";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import type { Observation } from "../plan/observation.ts";
import { ENGINE_CONTAINER } from "../plan/labels.ts";
import { Pods } from "../resources.ts";
import { hasEnded } from "./indexes.ts";

/** Seconds between two looks at one pod's log, and so between two writes of its progress. */
const INTERVAL_SECONDS = 5;
/** How long a log is waited for: a node that is gone does not even refuse. */
const PATIENCE_SECONDS = 3;
/** Seconds for which a log is left alone in the end whose node goes on not to answer. */
const SILENT_SECONDS = 60;
/** Lines of the log that are read: the last progress line, or what a failure left behind. */
const LINES = 20;

interface Read {
  until: number;
  state: string;
  text?: string;
  /** A busy cluster may be slow for once; a node that is gone must not cost a wait each time. */
  silence: Backoff;
}

export class EngineLogs {
  readonly #client: Client;
  readonly #log: Log;
  /**
   * Until when each resource's log is left alone (monotonic), and of which state of which pod it
   * is. Of one that has ended the text is kept: the decision that needs it comes once the Job
   * controller has judged the end.
   */
  readonly #reads = new Map<string, Read>();

  constructor(client: Client, log: Log) {
    this.#client = client.withTimeout(PATIENCE_SECONDS * 1000);
    this.#log = log;
  }

  /**
   * The last lines of the newest pod's log; undefined where they were read a moment ago or cannot
   * be had. A log is a help to people: no decision waits for it.
   */
  async read({ resource, pods }: Observation): Promise<string | undefined> {
    const { uid = "" } = resource.metadata;
    const pod = newest(pods);
    if (pod === undefined) return undefined;
    const state = `${pod.metadata?.uid} ${pod.status?.phase}`;
    const last = this.#reads.get(uid);
    if (last?.state === state && (performance.now() < last.until || last.text !== undefined)) {
      return last.text;
    }
    const silence =
      last?.silence ??
      new Backoff({ firstSeconds: INTERVAL_SECONDS, maxSeconds: SILENT_SECONDS, jitter: 0 });
    const leaveAlone = (seconds: number, text?: string): void => {
      const until = performance.now() + seconds * 1000;
      this.#reads.set(uid, { until, state, silence, ...(text === undefined ? {} : { text }) });
    };
    leaveAlone(INTERVAL_SECONDS);
    const { namespace, name = "" } = pod.metadata ?? {};
    try {
      const text = await this.#client.text(
        Pods,
        { namespace, name, subresource: "log" },
        { container: ENGINE_CONTAINER, tailLines: String(LINES) },
      );
      silence.reset();
      if (hasEnded(pod)) leaveAlone(INTERVAL_SECONDS, text);
      return text;
    } catch (error) {
      // The container is not there yet, or any more.
      if (error instanceof ApiError && error.status !== 403) return undefined;
      // Its node does not answer, or somebody may not read it: us, or the API server from the node.
      leaveAlone(silence.next());
      this.#log.warn({ namespace, pod: name, error }, "An engine's log cannot be read");
      return undefined;
    }
  }

  forget(uid: string): void {
    this.#reads.delete(uid);
  }
}

function newest(pods: readonly Pod[]): Pod | undefined {
  return pods.toSorted((a, b) => created(b).localeCompare(created(a)))[0];
}

function created({ metadata }: Pod): string {
  return metadata?.creationTimestamp ?? "";
}
