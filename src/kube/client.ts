/** The API server's verbs for objects: JSON over a transport, and errors that say what failed. */
import type { ListMeta } from "kubernetes-types/meta/v1.d.ts";
import { apiError, isGone } from "./api-error.ts";
import { readText } from "./body.ts";
import { explain, noAnswer, noEnd, requestName } from "./failure.ts";
import {
  keyOf,
  pathOf,
  type KubeObject,
  type ObjectKey,
  type ResourceType,
} from "./resource-type.ts";
import type { HttpRequest, HttpResponse, Transport } from "./transport.ts";
import { Deadline } from "./wait.ts";
import { readWatch, WATCH_GRACE_SECONDS, type WatchEvent } from "./watch.ts";

/** As client-go asks for. */
const PAGE = 500;
/** A log's bytes that are read, at most. */
const LONGEST_TEXT = 2 ** 20;
/** An error's body, at most. */
const LONGEST_ERROR = 2 ** 16;

export interface Selection {
  /** Every namespace where absent. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
}

export interface ListOptions<T> extends Selection {
  /** What to keep of each object, page by page. */
  transform?: ((object: T) => T) | undefined;
  signal?: AbortSignal;
}

export interface WatchOptions extends Selection {
  /** Only what happened after it is told. */
  resourceVersion: string;
  /** After this the server ends the watch. */
  timeoutSeconds: number;
  signal: AbortSignal;
}

/**
 * Every method throws an ApiError where the server refuses, the signal's reason where that
 * ended it, and an Error that names the request where the network failed or nothing came in
 * time. Nothing is tried again here.
 */
export class Client {
  readonly #transport: Transport;
  readonly #userAgent: string;
  readonly #timeoutSeconds: number;

  constructor(
    transport: Transport,
    { userAgent = "imagediff", timeoutMilliseconds = 30_000 } = {},
  ) {
    this.#transport = transport;
    this.#userAgent = userAgent;
    this.#timeoutSeconds = timeoutMilliseconds / 1000;
  }

  /** The same, for requests that must not take long. */
  withTimeout(milliseconds: number): Client {
    return new Client(this.#transport, {
      userAgent: this.#userAgent,
      timeoutMilliseconds: milliseconds,
    });
  }

  async get<T extends KubeObject>(
    type: ResourceType<T>,
    key: ObjectKey,
    signal?: AbortSignal,
  ): Promise<T> {
    return this.#json(requestName("get", type, key), {
      method: "GET",
      path: pathOf(type, key),
      signal,
    });
  }

  /**
   * All of a kind, as of one moment. Without a resourceVersion in the request the answer is
   * never older than what anyone has seen before.
   */
  async list<T extends KubeObject>(
    type: ResourceType<T>,
    options: ListOptions<T> = {},
  ): Promise<{ items: T[]; resourceVersion: string }> {
    try {
      return await this.#pages(type, options, PAGE);
    } catch (error) {
      // The moment that the pages show is forgotten: etcd was compacted since the first. One
      // page cannot be cut short like that.
      if (!isGone(error)) throw error;
      return this.#pages(type, options, undefined);
    }
  }

  /** The namespace is the object's own. */
  async create<T extends KubeObject>(type: ResourceType<T>, object: T): Promise<T> {
    const key = keyOf(object);
    return this.#json(requestName("create", type, key), {
      method: "POST",
      path: pathOf(type, { namespace: key.namespace }),
      headers: { "content-type": "application/json" },
      body: JSON.stringify(object),
    });
  }

  /** Refused with a conflict where the object has another resourceVersion by now. */
  async replace<T extends KubeObject>(
    type: ResourceType<T>,
    object: T,
    subresource?: "status",
  ): Promise<T> {
    const key = keyOf(object);
    const what = subresource === undefined ? "update" : `update the ${subresource} of`;
    return this.#json(requestName(what, type, key), {
      method: "PUT",
      path: pathOf(type, subresource === undefined ? key : { ...key, subresource }),
      headers: { "content-type": "application/json" },
      body: JSON.stringify(object),
    });
  }

  /** RFC 7386. */
  async mergePatch<T extends KubeObject>(
    type: ResourceType<T>,
    key: ObjectKey,
    patch: object,
  ): Promise<T> {
    return this.#json(requestName("patch", type, key), {
      method: "PATCH",
      path: pathOf(type, key),
      headers: { "content-type": "application/merge-patch+json" },
      body: JSON.stringify(patch),
    });
  }

  /** With a uid, another object of the same name is refused with a conflict. */
  async delete(
    type: ResourceType<KubeObject>,
    key: ObjectKey,
    options: { uid?: string; propagationPolicy?: "Background" | "Foreground" } = {},
  ): Promise<void> {
    const { uid, propagationPolicy } = options;
    await this.#json(requestName("delete", type, key), {
      method: "DELETE",
      path: pathOf(type, key),
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        apiVersion: "v1",
        kind: "DeleteOptions",
        ...(uid === undefined ? {} : { preconditions: { uid } }),
        ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
      }),
    });
  }

  /** A subresource that is text, such as a pod's log: its first MiB. */
  async text(
    type: ResourceType<KubeObject>,
    key: ObjectKey & { subresource: string },
    query?: Record<string, string>,
  ): Promise<string> {
    const request = { method: "GET", path: pathOf(type, key), ...(query && { query }) } as const;
    return this.#send(
      requestName(`read the ${key.subresource} of`, type, key),
      request,
      LONGEST_TEXT,
    );
  }

  /**
   * What happens to objects from a resourceVersion on, over one connection; ends when the
   * server ends it. Throws too where it has not been ended a little after `timeoutSeconds`.
   */
  async *watch<T extends KubeObject>(
    type: ResourceType<T>,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>, void> {
    const what = `watch ${type.plural}`;
    const { resourceVersion, timeoutSeconds } = options;
    using deadline = new Deadline(options.signal);
    deadline.set(this.#timeoutSeconds, () => noAnswer(what, this.#timeoutSeconds));
    try {
      const response = await this.#request(deadline.signal, {
        method: "GET",
        path: pathOf(type, { namespace: options.namespace }),
        query: {
          ...selectors(options),
          watch: "true",
          allowWatchBookmarks: "true",
          resourceVersion,
          timeoutSeconds: String(timeoutSeconds),
        },
      });
      if (response.status !== 200) throw await refusal(what, response);
      const seconds = timeoutSeconds + WATCH_GRACE_SECONDS;
      deadline.set(seconds, () => noEnd(what, seconds));
      yield* readWatch<T>(what, response.body);
    } catch (error) {
      throw explain(what, error, deadline.signal);
    }
  }

  async #pages<T extends KubeObject>(
    type: ResourceType<T>,
    options: ListOptions<T>,
    limit: number | undefined,
  ): Promise<{ items: T[]; resourceVersion: string }> {
    const { apiVersion, kind } = type;
    const { namespace, transform = (object: T) => object, signal } = options;
    const items: T[] = [];
    let resourceVersion = "";
    let next: string | undefined;
    do {
      const page = await this.#json<{ metadata?: ListMeta; items?: T[] | null }>(
        `list ${type.plural}`,
        {
          method: "GET",
          path: pathOf(type, { namespace }),
          query: {
            ...selectors(options),
            ...(limit === undefined ? {} : { limit: String(limit) }),
            ...(next === undefined ? {} : { continue: next }),
          },
          signal,
        },
      );
      // Lists leave out what is the same in all of their items.
      for (const item of page.items ?? []) items.push(transform({ apiVersion, kind, ...item }));
      resourceVersion = page.metadata?.resourceVersion ?? "";
      next = page.metadata?.continue;
    } while (next !== undefined && next !== "");
    return { items, resourceVersion };
  }

  async #json<T>(what: string, request: Request): Promise<T> {
    const text = await this.#send(what, request);
    try {
      return JSON.parse(text) as T;
    } catch (error) {
      throw new Error(`Cannot ${what}: the API server's answer is not JSON.`, { cause: error });
    }
  }

  async #send(what: string, { signal, ...request }: Request, limit?: number): Promise<string> {
    using deadline = new Deadline(signal);
    deadline.set(this.#timeoutSeconds, () => noAnswer(what, this.#timeoutSeconds));
    try {
      const response = await this.#request(deadline.signal, request);
      if (response.status >= 300) throw await refusal(what, response);
      return await readText(response.body, limit);
    } catch (error) {
      throw explain(what, error, deadline.signal);
    }
  }

  async #request(signal: AbortSignal, request: Omit<HttpRequest, "signal">): Promise<HttpResponse> {
    const headers = {
      accept: "application/json",
      "user-agent": this.#userAgent,
      ...request.headers,
    };
    return this.#transport({ ...request, headers, signal });
  }
}

type Request = Omit<HttpRequest, "signal"> & { signal?: AbortSignal | undefined };

async function refusal(what: string, response: HttpResponse): Promise<Error> {
  return apiError(what, response, await readText(response.body, LONGEST_ERROR));
}

function selectors({ labelSelector, fieldSelector }: Selection): Record<string, string> {
  return {
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  };
}
