/** What a watch says: one object of JSON on each line. */
import type { Status } from "kubernetes-types/meta/v1.d.ts";
import { ApiError } from "./api-error.ts";
import { readLines } from "./body.ts";
import type { KubeObject } from "./resource-type.ts";

export interface WatchEvent<T extends KubeObject> {
  /** A bookmark's object has a resourceVersion and nothing else: all before it has been told. */
  type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  object: T;
}

/** How much later than it was asked to a server may end a watch before it counts as dead. */
export const WATCH_GRACE_SECONDS = 8;

const known = new Set(["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]);

/**
 * @throws ApiError of an ERROR event (410 where the resourceVersion is too old), Error where a
 * line is no event.
 */
export async function* readWatch<T extends KubeObject>(
  request: string,
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<WatchEvent<T>, void> {
  for await (const line of readLines(body)) {
    const event = JSON.parse(line) as { type?: string; object?: unknown } | null;
    if (event?.type === "ERROR") {
      const status = (event.object ?? {}) as Status;
      throw new ApiError(request, status.code ?? 500, status);
    }
    const isObject = typeof event?.object === "object" && event.object !== null;
    if (!isObject || !known.has(event.type ?? "")) {
      throw new TypeError("a line of the watch is no event");
    }
    yield event as WatchEvent<T>;
  }
}
