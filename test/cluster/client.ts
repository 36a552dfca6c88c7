/** A client of the API server for tests: any object, by its path or by its manifest. */
import { Agent, request, type Dispatcher } from "undici";
import type { ObjectMeta } from "kubernetes-types/meta/v1.d.ts";
import { Discovery } from "./discovery.ts";

/** What every object has; the types of `kubernetes-types` fit. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
}

/** An object's path from the server's root, or a manifest that names it. */
export type Target = string | KubeObject;

export interface ClientOptions {
  server: string;
  caPem: string;
  token?: string;
  /** A client's certificate and key in PEM, instead of a token. */
  certificate?: { cert: string; key: string };
}

export type Query = Record<string, string | number | boolean | undefined>;

export interface RequestOptions {
  query?: Query | undefined;
  body?: unknown;
  contentType?: string;
  signal?: AbortSignal;
}

/** An answer of the API server that is not a success. */
export class ApiError extends Error {
  readonly status: number;
  /** Such as `NotFound` or `Conflict`. */
  readonly reason: string | undefined;
  readonly body: string;

  constructor(request_: string, status: number, body: string) {
    const { message, reason } = parseStatus(body);
    super(`${request_}: ${status} ${message ?? body}`);
    this.status = status;
    this.reason = reason;
    this.body = body;
  }
}

function parseStatus(body: string): { message?: string; reason?: string } {
  try {
    return JSON.parse(body) as { message?: string; reason?: string };
  } catch {
    return {};
  }
}

const patchTypes = {
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  json: "application/json-patch+json",
} as const;

export interface WriteOptions {
  /** Such as `status`. */
  subresource?: string;
  query?: Query | undefined;
}

export interface DeleteOptions {
  gracePeriodSeconds?: number;
  propagationPolicy?: "Background" | "Foreground" | "Orphan";
  preconditions?: { uid?: string; resourceVersion?: string };
}

export class Client {
  readonly #server: string;
  readonly #headers: Record<string, string>;
  // One for all requests: each would open a connection of its own otherwise.
  readonly #dispatcher: Dispatcher;
  readonly #discovery = new Discovery(async (path) => this.get(path));

  constructor({ server, caPem, token, certificate }: ClientOptions) {
    this.#server = server;
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    this.#dispatcher = new Agent({ connect: { ca: caPem, ...certificate }, bodyTimeout: 0 });
  }

  /** Ends its connections, watches included. */
  async close(): Promise<void> {
    await this.#dispatcher.destroy();
  }

  /** The path of the object that a manifest names, or of its collection if it has no name. */
  async path(manifest: KubeObject): Promise<string> {
    return this.#discovery.path(manifest);
  }

  async get<T>(target: Target, query?: Query): Promise<T> {
    return this.#json("GET", await this.#pathOf(target), { query });
  }

  /** Undefined if there is no such object. */
  async find<T>(target: Target): Promise<T | undefined> {
    return this.get<T>(target).catch((why: unknown) => {
      if (why instanceof ApiError && why.status === 404) return undefined;
      throw why;
    });
  }

  /** @param path of the collection. */
  async list<T>(path: string, query?: Query): Promise<T[]> {
    return (await this.get<{ items: T[] }>(path, query)).items;
  }

  /** What is no JSON, such as logs. */
  async text(path: string, query?: Query): Promise<string> {
    return (await this.send("GET", path, { query })).body.text();
  }

  async create<T extends KubeObject>(manifest: T, options: WriteOptions = {}): Promise<T> {
    const { name: _, ...metadata } = manifest.metadata ?? {};
    const collection = await this.path({ ...manifest, metadata });
    return this.#json("POST", collection, { body: manifest, query: options.query });
  }

  /** Server-side apply. */
  async apply<T extends KubeObject>(
    manifest: T,
    { subresource, query, manager = "test", force = true }: WriteOptions & ApplyOptions = {},
  ): Promise<T> {
    return this.#json("PATCH", await this.#pathOf(manifest, subresource), {
      body: manifest,
      contentType: "application/apply-patch+yaml",
      query: { fieldManager: manager, force, ...query },
    });
  }

  async patch<T>(
    target: Target,
    body: unknown,
    { subresource, query, type = "merge" }: WriteOptions & { type?: keyof typeof patchTypes } = {},
  ): Promise<T> {
    const contentType = patchTypes[type];
    return this.#json("PATCH", await this.#pathOf(target, subresource), {
      body,
      contentType,
      query,
    });
  }

  async replace<T extends KubeObject>(manifest: T, options: WriteOptions = {}): Promise<T> {
    const path = await this.#pathOf(manifest, options.subresource);
    return this.#json("PUT", path, { body: manifest, query: options.query });
  }

  /** Asks for the object to be deleted; it may be gone already. */
  async delete(target: Target, body: DeleteOptions = {}): Promise<void> {
    try {
      await this.#json("DELETE", await this.#pathOf(target), { body });
    } catch (why) {
      if (!(why instanceof ApiError && why.status === 404)) throw why;
    }
  }

  /** POST to a path as it is, such as that of a subresource. */
  async post<T>(path: string, body: unknown): Promise<T> {
    return this.#json("POST", path, { body });
  }

  /**
   * Sends a request; the answer's body is still to be read.
   * @throws ApiError if the answer is not a success, Error of the network.
   */
  async send(
    method: Dispatcher.HttpMethod,
    path: string,
    { query = {}, body, contentType = "application/json", signal }: RequestOptions = {},
  ): Promise<Dispatcher.ResponseData> {
    const url = new URL(path, this.#server);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const response = await request(url, {
      method,
      headers: { accept: "application/json", ...this.#headers, "content-type": contentType },
      body: body === undefined ? null : JSON.stringify(body),
      dispatcher: this.#dispatcher,
      signal: signal ?? null,
    });
    if (response.statusCode < 400) return response;
    throw new ApiError(`${method} ${path}`, response.statusCode, await response.body.text());
  }

  async #json<T>(method: Dispatcher.HttpMethod, path: string, options: RequestOptions): Promise<T> {
    const response = await this.send(method, path, options);
    return (await response.body.json()) as T;
  }

  async #pathOf(target: Target, subresource?: string): Promise<string> {
    const path = typeof target === "string" ? target : await this.path(target);
    return subresource === undefined ? path : `${path}/${subresource}`;
  }
}

interface ApplyOptions {
  /** The field manager. */
  manager?: string;
  force?: boolean;
}
