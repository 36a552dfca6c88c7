/** Tells people what happens to an object, by events that kubectl describe shows. */
import type { Event } from "kubernetes-types/events/v1.d.ts";
import { ApiError, isNotFound } from "./api-error.ts";
import type { Client } from "./client.ts";
import {
  countOf,
  eventOf,
  newEventName,
  newSeries,
  seriesKey,
  type Happening,
  type Regarding,
  type Reporter,
  type Series,
} from "./event-series.ts";
import { silent, type Log } from "./log.ts";
import type { ResourceType } from "./resource-type.ts";
import { TokenBuckets } from "./token-buckets.ts";

const Events: ResourceType<Event> = {
  apiVersion: "events.k8s.io/v1",
  kind: "Event",
  plural: "events",
  namespaced: true,
};

/** Series that are remembered; the one that was longest quiet is forgotten first. */
const MOST_SERIES = 1000;
/** Between two writes of one series. */
const WRITE_SECONDS = 60;
const MOST_ATTEMPTS = 10;
/** Nobody waits long for a courtesy. */
const TIMEOUT_MILLISECONDS = 5000;
/** client-go's (tools/record/events_cache.go): as many events of an object at once, ... */
const BURST = 25;
/** ... and then one in five minutes. */
const REFILL_SECONDS = 300;

export interface EventRecorderOptions extends Reporter {
  client: Client;
  log?: Log;
}

/**
 * What repeats is one event whose series counts. Events are a courtesy: nothing waits for them,
 * and a failure is no more than logged.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions & { log: Log };
  /** The one that was longest quiet first. */
  readonly #series = new Map<string, Series>();
  readonly #buckets = new TokenBuckets({
    burst: BURST,
    refillSeconds: REFILL_SECONDS,
    most: MOST_SERIES,
  });
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: EventRecorderOptions) {
    const client = options.client.withTimeout(TIMEOUT_MILLISECONDS);
    this.#options = { log: silent, ...options, client };
  }

  /** Never throws, and never waits. */
  record(regarding: Regarding, happening: Happening): void {
    const key = seriesKey(regarding, happening);
    const now = new Date();
    const known = this.#series.get(key);
    if (known === undefined && !this.#buckets.take(regarding.uid)) {
      this.#options.log.debug({ regarding, happening }, "One event too many of this object");
      return;
    }
    const series = known ?? newSeries(regarding, happening, now);
    series.count += 1;
    series.last = now;
    this.#series.delete(key);
    this.#series.set(key, series);
    for (const oldest of this.#series.keys()) {
      if (this.#series.size <= MOST_SERIES) break;
      this.#series.delete(oldest);
    }
    this.#schedule();
  }

  /** Writes what is not written yet, without regard to how long ago the last write was. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#write(() => true);
  }

  #schedule(): void {
    const due = [...this.#series.values()].filter(isUnwritten).map(dueAt);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (due.length === 0) return;
    const milliseconds = Math.max(0, Math.min(...due) - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#write((series) => dueAt(series) <= performance.now()).then(() => this.#schedule());
    }, milliseconds);
    // flush() is what a process waits for.
    this.#timer.unref();
  }

  /** One after the other; never rejects. */
  async #write(wanted: (series: Series) => boolean): Promise<void> {
    const before = this.#writing;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#writing = promise;
    await before;
    let isAway = false;
    for (const [key, series] of [...this.#series]) {
      if (!isUnwritten(series) || !wanted(series)) continue;
      // Each of them would wait as long in vain.
      if (isAway) series.attemptedAt = performance.now();
      else isAway = !(await this.#attempt(key, series));
    }
    resolve();
  }

  /** Whether the server has answered. */
  async #attempt(key: string, series: Series): Promise<boolean> {
    series.attemptedAt = performance.now();
    const { count } = series;
    try {
      await this.#send(series);
      series.written = count;
      series.failures = 0;
      return true;
    } catch (error) {
      series.failures += 1;
      const { regarding, happening, failures } = series;
      this.#options.log.warn({ error, regarding, happening }, "An event could not be written");
      const refused = error instanceof ApiError && error.status < 500 && error.status !== 429;
      if (refused || failures >= MOST_ATTEMPTS) this.#series.delete(key);
      return error instanceof ApiError;
    }
  }

  async #send(series: Series): Promise<void> {
    const { client } = this.#options;
    const { regarding, name, written } = series;
    const { namespace } = regarding;
    if (written > 0) {
      try {
        await client.mergePatch(Events, { namespace, name }, { series: countOf(series) });
        return;
      } catch (error) {
        // Events expire, after an hour by default.
        if (!isNotFound(error)) throw error;
      }
    }
    series.name = newEventName(regarding);
    await client.create(Events, eventOf(series, this.#options));
  }
}

function isUnwritten({ count, written }: Series): boolean {
  return count > written;
}

function dueAt({ attemptedAt }: Series): number {
  return attemptedAt + WRITE_SECONDS * 1000;
}
