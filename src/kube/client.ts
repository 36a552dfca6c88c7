/** The API server's verbs for objects. */
import { requestName } from "./failure.ts";
import { list, type List, type ListOptions } from "./list.ts";
import { Requester } from "./requester.ts";
import {
  keyOf,
  pathOf,
  type KubeObject,
  type ObjectKey,
  type ResourceType,
} from "./resource-type.ts";
import type { Transport } from "./transport.ts";
import { watch, type WatchEvent, type WatchOptions } from "./watch.ts";

/** What is read of a log, in bytes at most. */
const LONGEST_TEXT = 2 ** 20;

const JSON_BODY = { "content-type": "application/json" };
/** RFC 7386. */
const MERGE_PATCH_BODY = { "content-type": "application/merge-patch+json" };

/** What an object must still be. */
export interface Preconditions {
  uid?: string;
  resourceVersion?: string;
}

/**
 * Every method throws an ApiError where the server refuses, the signal's reason where that
 * ended it, and an Error that names the request where the network failed or nothing came in
 * time. Nothing is tried again here.
 */
export class Client {
  readonly #transport: Transport;
  readonly #requester: Requester;

  constructor(
    transport: Transport,
    { userAgent = "imagediff", timeoutMilliseconds = 30_000 } = {},
  ) {
    this.#transport = transport;
    this.#requester = new Requester(transport, {
      userAgent,
      timeoutSeconds: timeoutMilliseconds / 1000,
    });
  }

  /** The same, for requests that must not take long. */
  withTimeout(milliseconds: number): Client {
    const { userAgent } = this.#requester.options;
    return new Client(this.#transport, { userAgent, timeoutMilliseconds: milliseconds });
  }

  async get<T extends KubeObject>(
    type: ResourceType<T>,
    key: ObjectKey,
    signal?: AbortSignal,
  ): Promise<T> {
    const what = requestName("get", type, key);
    return this.#requester.json(what, { method: "GET", path: pathOf(type, key), signal });
  }

  /** All of a kind, as of one moment, and never older than what anyone has seen before. */
  async list<T extends KubeObject>(
    type: ResourceType<T>,
    options: ListOptions<T> = {},
  ): Promise<List<T>> {
    return list(this.#requester, type, options);
  }

  /** The namespace is the object's own. */
  async create<T extends KubeObject>(type: ResourceType<T>, object: T): Promise<T> {
    const key = keyOf(object);
    return this.#requester.json(requestName("create", type, key), {
      method: "POST",
      path: pathOf(type, { namespace: key.namespace }),
      headers: JSON_BODY,
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
    const verb = subresource === undefined ? "update" : `update the ${subresource} of`;
    return this.#requester.json(requestName(verb, type, key), {
      method: "PUT",
      path: pathOf(type, subresource === undefined ? key : { ...key, subresource }),
      headers: JSON_BODY,
      body: JSON.stringify(object),
    });
  }

  async mergePatch<T extends KubeObject>(
    type: ResourceType<T>,
    key: ObjectKey,
    patch: object,
  ): Promise<T> {
    return this.#requester.json(requestName("patch", type, key), {
      method: "PATCH",
      path: pathOf(type, key),
      headers: MERGE_PATCH_BODY,
      body: JSON.stringify(patch),
    });
  }

  /**
   * With a uid, another object of the same name is refused with a conflict; with a
   * resourceVersion, one that has changed since.
   */
  async delete(
    type: ResourceType<KubeObject>,
    key: ObjectKey,
    options: Preconditions & { propagationPolicy?: "Background" | "Foreground" } = {},
  ): Promise<void> {
    const { propagationPolicy, ...preconditions } = options;
    await this.#requester.json(requestName("delete", type, key), {
      method: "DELETE",
      path: pathOf(type, key),
      headers: JSON_BODY,
      body: JSON.stringify({
        apiVersion: "v1",
        kind: "DeleteOptions",
        preconditions,
        ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
      }),
    });
  }

  /** A subresource that is text, such as a pod's log: its first MiB. */
  async text(
    type: ResourceType<KubeObject>,
    key: ObjectKey & { subresource: string },
    query: Record<string, string> = {},
  ): Promise<string> {
    const what = requestName(`read the ${key.subresource} of`, type, key);
    const question = { method: "GET", path: pathOf(type, key), query } as const;
    return this.#requester.text(what, question, LONGEST_TEXT);
  }

  /**
   * What happens to objects from a resourceVersion on, over one connection; ends when the
   * server ends it, and throws where that has not happened a little after `timeoutSeconds`.
   */
  watch<T extends KubeObject>(
    type: ResourceType<T>,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>, void> {
    return watch(this.#requester, type, options);
  }
}
