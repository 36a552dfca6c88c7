/** What repeats, as one event of the API that counts. */
import { randomBytes } from "node:crypto";
import type { Event } from "kubernetes-types/events/v1.d.ts";
import { microTime } from "./micro-time.ts";

/** The API's own limits: bytes of a note, characters of a reporting instance and of a name. */
const LONGEST_NOTE = 1024;
const LONGEST_INSTANCE = 128;
const LONGEST_NAME = 253;

/** The object that an event is about. */
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

/** Who tells. */
export interface Reporter {
  /** Such as imagediff.io/controller. */
  controller: string;
  /** Such as the pod's name. */
  instance: string;
}

export interface Series {
  readonly regarding: Regarding;
  readonly happening: Happening;
  readonly first: Date;
  last: Date;
  count: number;
  /** How many of them the API server knows of. */
  written: number;
  /** The event's name there, from the first attempt on. */
  name: string;
  /** Of the last attempt, in milliseconds of `performance.now()`. */
  attemptedAt: number;
  /** In a row. */
  failures: number;
}

/** One that has not happened yet. */
export function newSeries(regarding: Regarding, happening: Happening, first: Date): Series {
  const nothing = { count: 0, written: 0, name: "", failures: 0 };
  return {
    ...{ regarding, happening, first, last: first },
    ...nothing,
    attemptedAt: Number.NEGATIVE_INFINITY,
  };
}

/** As client-go's (tools/events/event_broadcaster.go), and the message: another is news. */
export function seriesKey({ uid }: Regarding, happening: Happening): string {
  const { type, reason, action, message } = happening;
  return JSON.stringify([uid, type, reason, action, message]);
}

/** The series as a new event. */
export function eventOf(series: Series, { controller, instance }: Reporter): Event {
  const { regarding, happening, name, first, count } = series;
  const { message, ...what } = happening;
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { namespace: regarding.namespace, name },
    eventTime: microTime(first),
    reportingController: controller,
    reportingInstance: instance.slice(0, LONGEST_INSTANCE),
    regarding,
    ...what,
    note: cut(message, LONGEST_NOTE),
    // A series is two at least.
    ...(count > 1 ? { series: countOf(series) } : {}),
  };
}

export function countOf({ count, last }: Series): { count: number; lastObservedTime: string } {
  return { count, lastObservedTime: microTime(last) };
}

/** A name that no other event has. */
export function newEventName(regarding: Regarding): string {
  const suffix = `.${randomBytes(8).toString("hex")}`;
  return regarding.name.slice(0, LONGEST_NAME - suffix.length).replace(/[-.]+$/, "") + suffix;
}

/** At most so many bytes of UTF-8. */
function cut(text: string, bytes: number): string {
  const encoded = Buffer.from(text);
  if (encoded.length <= bytes) return text;
  const decoder = new TextDecoder();
  return `${decoder.decode(encoded.subarray(0, bytes - 3), { stream: true })}…`;
}
