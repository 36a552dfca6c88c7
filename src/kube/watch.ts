/** What happens to objects, over one connection: one event of JSON on each line. */
import type { Status } from "kubernetes-types/meta/v1.d.ts";
import { ApiError } from "./api-error.ts";
import { readLines } from "./body.ts";
import { explain, noEnd } from "./failure.ts";
import { selectors, type Selection } from "./list.ts";
import type { Requester } from "./requester.ts";
import { pathOf, type KubeObject, type ResourceType } from "./resource-type.ts";
import { Deadline } from "./wait.ts";

export interface WatchOptions extends Selection {
  /** Only what happened after it is told. */
  resourceVersion: string;
  /** After this the server ends the watch. */
  timeoutSeconds: number;
  signal: AbortSignal;
}

export interface WatchEvent<T extends KubeObject> {
  /** A bookmark's object has a resourceVersion and nothing else: all before it has been told. */
  type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  object: T;
}

const types = new Set(["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]);

/** How much later than it was asked to a server may end a watch before it counts as dead. */
const GRACE_SECONDS = 8;

/**
 * Ends when the server ends it.
 * @throws ApiError of the answer or of an ERROR event (410 where the resourceVersion is too
 * old), NoAnswer where it has not ended a little after `timeoutSeconds`, the signal's reason,
 * or an Error that names the watch.
 */
export async function* watch<T extends KubeObject>(
  requester: Requester,
  type: ResourceType<T>,
  options: WatchOptions,
): AsyncGenerator<WatchEvent<T>, void> {
  const what = `watch ${type.plural}`;
  const { namespace, resourceVersion, timeoutSeconds, signal } = options;
  const question = {
    method: "GET",
    path: pathOf(type, { namespace }),
    query: {
      ...selectors(options),
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion,
      timeoutSeconds: String(timeoutSeconds),
    },
  } as const;
  using deadline = new Deadline(signal);
  try {
    const { body } = await requester.open(what, question, deadline);
    const seconds = timeoutSeconds + GRACE_SECONDS;
    deadline.set(seconds, () => noEnd(what, seconds));
    for await (const line of readLines(body)) yield eventOf<T>(what, line);
  } catch (error) {
    throw explain(what, error, deadline.signal);
  }
}

function eventOf<T extends KubeObject>(what: string, line: string): WatchEvent<T> {
  const event = JSON.parse(line) as { type?: string; object?: unknown } | null;
  if (event?.type === "ERROR") {
    const status = (event.object ?? {}) as Status;
    throw new ApiError(what, status.code ?? 500, status);
  }
  const isObject = typeof event?.object === "object" && event.object !== null;
  if (!isObject || !types.has(event.type ?? "")) throw new Error("a line is no event");
  return event as WatchEvent<T>;
}
