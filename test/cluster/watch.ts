/** Follows the objects of a collection, over breaks of the connection and of the API server. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ObjectMeta } from "kubernetes-types/meta/v1.d.ts";
import type { Client, KubeObject, Query } from "./client.ts";

/** A new or changed object, or the last that was known of a deleted one. */
export interface Change<T> {
  type: "present" | "deleted";
  object: T;
}

export interface Watching {
  /** Resolves once all objects that there were at the start have been told. */
  readonly ready: Promise<void>;
  /** Resolves once nothing more is told. */
  readonly done: Promise<void>;
}

/** Tells every object that there is and every change, in order, until the signal. */
export function watch<T extends KubeObject>(
  client: Client,
  path: string,
  query: Query,
  tell: (change: Change<T>) => void,
  signal: AbortSignal,
): Watching {
  const ready = Promise.withResolvers<void>();
  const known = new Map<string, T>();

  const learn = (type: string, object: T): void => {
    const uid = object.metadata?.uid ?? "";
    if (type === "DELETED") known.delete(uid);
    else known.set(uid, object);
    tell({ type: type === "DELETED" ? "deleted" : "present", object });
  };

  const round = async (): Promise<void> => {
    const list = await client.get<{ items: T[]; metadata: ObjectMeta }>(path, query);
    const present = new Set(list.items.map(({ metadata }) => metadata?.uid));
    for (const [uid, object] of known) if (!present.has(uid)) learn("DELETED", object);
    for (const object of list.items) learn("ADDED", object);
    ready.resolve();

    const { resourceVersion } = list.metadata;
    const response = await client.send("GET", path, {
      query: { ...query, watch: true, resourceVersion },
      signal,
    });
    for await (const line of lines(response.body)) {
      const { type, object } = JSON.parse(line) as { type: string; object: T };
      // Most often a version that is too old: the next list brings a new one.
      if (type === "ERROR") return;
      learn(type, object);
    }
  };

  const follow = async (): Promise<void> => {
    while (!signal.aborted) {
      // The server may be away; it is asked again until it is back.
      await round().catch(async () => sleep(50, undefined, { signal }).catch(() => undefined));
    }
    ready.resolve();
  };
  return { ready: ready.promise, done: follow() };
}

async function* lines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of body) {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    yield* parts.filter((part) => part !== "");
  }
}
