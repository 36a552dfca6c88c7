/** The events that tell why a Job has no pod, or why a pod does not start. */
import { Backoff } from "../../kube/backoff.ts";
import type { Client } from "../../kube/client.ts";
import type { Log } from "../../kube/log.ts";
import type { Happening, Observation } from "../plan/observation.ts";
import { Events } from "../resources.ts";

/** How long events are waited for: they are often kept apart from all else, and may be away. */
const PATIENCE_SECONDS = 10;
/** Seconds for which nobody asks for events after they could not be had: at first, and at most. */
const PAUSE_SECONDS = { first: 5, most: 60 };

export class EngineEvents {
  readonly #client: Client;
  readonly #log: Log;
  readonly #pause = new Backoff({
    firstSeconds: PAUSE_SECONDS.first,
    maxSeconds: PAUSE_SECONDS.most,
    jitter: 0,
  });
  /** Until when nobody asks (monotonic). */
  #until = 0;
  /**
   * What was read last of each resource, by its uid, and of which Jobs and pods that was: it holds
   * for these as long as nobody knows better.
   */
  readonly #last = new Map<string, { subjects: string; found: Happening[] }>();

  constructor(client: Client, log: Log) {
    this.#client = client.withTimeout(PATIENCE_SECONDS * 1000);
    this.#log = log;
  }

  /**
   * Warnings about the unfinished Jobs of a resource and about their pods, the newest first; those
   * of the last time where they cannot be had. They are a help to people: no decision waits.
   */
  async read(observation: Observation): Promise<Happening[]> {
    const { uid = "", namespace, name } = observation.resource.metadata;
    const subjects = subjectsOf(observation)
      .map(({ metadata: subject }) => subject?.uid)
      .join();
    const known = this.#last.get(uid);
    const last = known?.subjects === subjects ? known.found : [];
    if (performance.now() < this.#until) return last;
    try {
      const found = await this.#list(observation);
      this.#pause.reset();
      this.#last.set(uid, { subjects, found });
      return found;
    } catch (error) {
      this.#until = performance.now() + this.#pause.next() * 1000;
      this.#log.warn({ namespace, name, uid, error }, "Events cannot be read");
      return last;
    }
  }

  forget(uid: string): void {
    this.#last.delete(uid);
  }

  async #list(observation: Observation): Promise<Happening[]> {
    const found = await Promise.all(
      subjectsOf(observation).map(async ({ kind, metadata }) => {
        const { items } = await this.#client.list(Events, {
          namespace: metadata?.namespace,
          fieldSelector: `involvedObject.uid=${metadata?.uid},type=Warning`,
        });
        return items.map(
          ({ reason, message, series, lastTimestamp, eventTime, metadata: own }) => ({
            kind,
            reason: reason ?? "",
            message: message ?? "",
            lastSeen:
              series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? own.creationTimestamp ?? "",
          }),
        );
      }),
    );
    return found.flat().toSorted((a, b) => b.lastSeen.localeCompare(a.lastSeen));
  }
}

/** What events may be about. */
function subjectsOf({ jobs, pods }: Observation) {
  return [
    ...jobs.map(({ metadata }) => ({ kind: "Job" as const, metadata })),
    ...pods.map(({ metadata }) => ({ kind: "Pod" as const, metadata })),
  ];
}
