/** Tells people what happens to an object, by events that kubectl describe shows. */
import { randomBytes } from "node:crypto";
import type { Event } from "kubernetes-types/events/v1.d.ts";
import { ApiError, isNotFound } from "./api-error.ts";
import type { Client } from "./client.ts";
import { silent, type Log } from "./log.ts";
import { microTime } from "./micro-time.ts";
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
/** The API's own limits: bytes of a note, characters of a reporting instance and of a name. */
const LONGEST_NOTE = 1024;
const LONGEST_INSTANCE = 128;
const LONGEST_NAME = 253;

export interface Regarding {
  apiVersion: string;
  kind: string;
  namespace: string;
  name: string;
  uid: string;
}

export interface Happening {
  type: "Normal" | "Warning";
  /** Why, in one word such as JobCreated. */
  reason: string;
  /** What was done, in one word such as CreateJob. */
  action: string;
  message: string;
}

interface Series {
  regarding: Regarding;
  happening: Happening;
  first: Date;
  last: Date;
  count: number;
  /** How many of them the API server knows of. */
  written: number;
  /** The event's name there, from the first attempt on. */
  name: string;
  /** Monotonic, of the last attempt. */
  attemptedAt: number;
  failures: number;
}

export interface EventRecorderOptions {
  client: Client;
  /** Such as imagediff.io/controller. */
  controller: string;
  /** Such as the pod's name. */
  instance: string;
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

  record(regarding: Regarding, happening: Happening): void {
    const { type, reason, action, message } = happening;
    const key = JSON.stringify([regarding.uid, type, reason, action, message]);
    const last = new Date();
    const known = this.#series.get(key);
    if (known === undefined && !this.#buckets.take(regarding.uid)) {
      this.#options.log.debug({ regarding, happening }, "One event too many of this object");
      return;
    }
    const series = known ?? { ...emptySeries, regarding, happening, first: last, last };
    series.count += 1;
    series.last = last;
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
    const { regarding, name, count, last, written } = series;
    const { namespace } = regarding;
    const lastObservedTime = microTime(last);
    if (written > 0) {
      try {
        await client.mergePatch(
          Events,
          { namespace, name },
          { series: { count, lastObservedTime } },
        );
        return;
      } catch (error) {
        // Events expire, after an hour by default.
        if (!isNotFound(error)) throw error;
      }
    }
    series.name = eventName(regarding.name);
    await client.create(Events, this.#event(series));
  }

  #event({ regarding, happening, name, first, last, count }: Series): Event {
    const { type, reason, action, message } = happening;
    return {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { namespace: regarding.namespace, name },
      eventTime: microTime(first),
      reportingController: this.#options.controller,
      reportingInstance: this.#options.instance.slice(0, LONGEST_INSTANCE),
      regarding,
      type,
      reason,
      action,
      note: cut(message, LONGEST_NOTE),
      // A series is two at least.
      ...(count > 1 ? { series: { count, lastObservedTime: microTime(last) } } : {}),
    };
  }
}

const emptySeries = {
  count: 0,
  written: 0,
  name: "",
  attemptedAt: Number.NEGATIVE_INFINITY,
  failures: 0,
};

function isUnwritten({ count, written }: Series): boolean {
  return count > written;
}

function dueAt({ attemptedAt }: Series): number {
  return attemptedAt + WRITE_SECONDS * 1000;
}

function eventName(object: string): string {
  const suffix = `.${randomBytes(8).toString("hex")}`;
  return object.slice(0, LONGEST_NAME - suffix.length).replace(/[-.]+$/, "") + suffix;
}

/** At most so many bytes of UTF-8. */
function cut(text: string, bytes: number): string {
  const encoded = Buffer.from(text);
  if (encoded.length <= bytes) return text;
  const decoder = new TextDecoder();
  return `${decoder.decode(encoded.subarray(0, bytes - 3), { stream: true })}…`;
}
