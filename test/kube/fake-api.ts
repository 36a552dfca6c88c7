/**
 * An API server in memory, as a transport: objects with resourceVersions, pages of one moment,
 * watches from a moment on, bookmarks, compaction, conflicts. What goes wrong is the test's to say.
 */
import type { KubeObject } from "../../src/kube/resource-type.ts";
import type { HttpRequest, HttpResponse, Transport } from "../../src/kube/transport.ts";
import { Pipe } from "./pipe.ts";

interface Happened {
  version: number;
  type: "ADDED" | "MODIFIED" | "DELETED";
  object: KubeObject;
}

export interface OpenWatch {
  collection: string;
  pipe: Pipe;
  /** Says no more, and never ends. */
  silent: boolean;
}

/** Answers in the server's place, or is undefined where the server is to answer. */
export type Fault = (request: HttpRequest) => Promise<HttpResponse> | undefined;

export class FakeApi {
  readonly requests: HttpRequest[] = [];
  /** Every line that watches were told, or would have been. */
  readonly told: string[] = [];
  readonly watches = new Set<OpenWatch>();
  fault: Fault | undefined;
  #version = 100;
  #compacted = 0;
  #uids = 0;
  /** By path. */
  readonly #objects = new Map<string, KubeObject>();
  readonly #history: Happened[] = [];

  readonly transport: Transport = async (request) => {
    this.requests.push(request);
    request.signal.throwIfAborted();
    // Nothing is there at once.
    await Promise.resolve();
    return (await this.fault?.(request)) ?? this.#answer(request);
  };

  get version(): string {
    return String(this.#version);
  }

  /** What a collection holds, without who asks. */
  all<T extends KubeObject>(collection: string): T[] {
    return this.#list(collection) as T[];
  }

  count(method: string, query: Record<string, string> = {}): number {
    return this.requests.filter(
      (request) =>
        request.method === method &&
        Object.entries(query).every(([name, value]) => request.query?.[name] === value),
    ).length;
  }

  /** Writes without a request, whatever the resourceVersion. */
  put(collection: string, object: KubeObject): KubeObject {
    return this.#store(`${collection}/${object.metadata?.name}`, object);
  }

  drop(collection: string, name: string): void {
    this.#remove(`${collection}/${name}`);
  }

  /** Something else is written: time passes for who counts in versions. */
  tick(): void {
    this.#version += 1;
  }

  /** Forgets what was before. */
  compact(): void {
    this.#compacted = this.#version;
    this.#history.length = 0;
  }

  /** Tells every watch how far it has come. */
  bookmark(): void {
    for (const watch of this.watches) this.#bookmark(watch);
  }

  #answer(request: HttpRequest): HttpResponse {
    const { method, path, body } = request;
    const sent =
      body === undefined ? {} : (JSON.parse(body) as KubeObject & { [field: string]: unknown });
    const own = path.replace(/\/status$/, "");
    const held = this.#objects.get(own);
    if (method === "POST") {
      const target = `${path}/${sent.metadata?.name}`;
      if (this.#objects.has(target)) return refusal(409, "AlreadyExists");
      return answer(this.#store(target, sent), 201);
    }
    if (method === "GET" && request.query?.["watch"] === "true") return this.#watch(request);
    if (method === "GET" && this.#isCollection(path)) return this.#page(request);
    if (held === undefined) return refusal(404, "NotFound");
    if (method === "GET") return answer(held);
    if (method === "PUT") {
      const version = sent.metadata?.resourceVersion;
      if (version !== undefined && version !== held.metadata?.resourceVersion) {
        return refusal(409, "Conflict");
      }
      return answer(this.#store(own, sent));
    }
    if (method === "PATCH") return answer(this.#store(own, { ...held, ...sent }));
    const { uid } = (sent["preconditions"] ?? {}) as { uid?: string };
    if (uid !== undefined && uid !== held.metadata?.uid) return refusal(409, "Conflict");
    this.#remove(own);
    return answer({ kind: "Status", status: "Success" });
  }

  /** Names of collections end with an s here, those of objects do not. */
  #isCollection(path: string): boolean {
    return path.endsWith("s");
  }

  #list(collection: string): KubeObject[] {
    return [...this.#objects]
      .filter(([path]) => path.startsWith(`${collection}/`))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object);
  }

  #page({ path, query = {} }: HttpRequest): HttpResponse {
    const [version = this.#version, from = 0] = (query["continue"] ?? "")
      .split(":")
      .filter(Boolean)
      .map(Number);
    if (version < this.#compacted) return refusal(410, "Expired");
    const all = this.#at(path, version);
    const end = Math.min(from + Number(query["limit"] ?? all.length), all.length);
    return answer({
      kind: "ThingList",
      metadata: {
        resourceVersion: String(version),
        ...(end < all.length ? { continue: `${version}:${end}` } : {}),
      },
      items: all
        .slice(from, end)
        .map((item) => ({ ...item, apiVersion: undefined, kind: undefined })),
    });
  }

  /** What there was at a moment: what there is, with what happened since undone. */
  #at(collection: string, version: number): KubeObject[] {
    const objects = new Map(
      this.#list(collection).map((object) => [object.metadata?.name, object]),
    );
    for (const [index, { object, version: when }] of [...this.#history.entries()].toReversed()) {
      if (when <= version) break;
      const { name, namespace } = object.metadata ?? {};
      if (!collection.endsWith(`/namespaces/${namespace}/things`)) continue;
      const before = this.#history
        .slice(0, index)
        .findLast(({ object: other }) => other.metadata?.name === name);
      if (before === undefined || before.type === "DELETED") objects.delete(name);
      else objects.set(name, before.object);
    }
    return [...objects].toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1)).map(([, one]) => one);
  }

  #watch({ path: collection, query = {}, signal }: HttpRequest): HttpResponse {
    const from = Number(query["resourceVersion"]);
    if (from < this.#compacted) return refusal(410, "Expired");
    const pipe = new Pipe(signal);
    const watch: OpenWatch = { collection, pipe, silent: false };
    this.watches.add(watch);
    const seconds = Number(query["timeoutSeconds"]);
    const bookmark = setTimeout(() => this.#bookmark(watch), (seconds - 2) * 1000);
    const end = setTimeout(() => {
      if (!watch.silent) pipe.end();
    }, seconds * 1000);
    pipe.onClose(() => {
      clearTimeout(bookmark);
      clearTimeout(end);
      this.watches.delete(watch);
    });
    for (const happened of this.#history) if (happened.version > from) this.#tell(watch, happened);
    return { status: 200, headers: {}, body: pipe };
  }

  #tell(watch: OpenWatch, happened: Happened): void {
    const { object } = happened;
    const path = `/apis/${object.apiVersion}/namespaces/${object.metadata?.namespace}/things`;
    if (!watch.silent && path === watch.collection) {
      watch.pipe.write(lineOf(happened));
    }
  }

  #bookmark(watch: OpenWatch): void {
    if (watch.silent) return;
    const object = { kind: "Thing", metadata: { resourceVersion: this.version } };
    watch.pipe.write(`${JSON.stringify({ type: "BOOKMARK", object })}\n`);
  }

  #store(path: string, object: KubeObject): KubeObject {
    this.#version += 1;
    const held = this.#objects.get(path);
    const uid = held?.metadata?.uid ?? `uid-${(this.#uids += 1)}`;
    const resourceVersion = this.version;
    const next = { ...object, metadata: { ...object.metadata, uid, resourceVersion } };
    this.#objects.set(path, next);
    this.#happen(held === undefined ? "ADDED" : "MODIFIED", next);
    return next;
  }

  #remove(path: string): void {
    const held = this.#objects.get(path);
    if (held === undefined) return;
    this.#version += 1;
    this.#objects.delete(path);
    // The version of a deletion is that of the deletion.
    const metadata = { ...held.metadata, resourceVersion: this.version };
    this.#happen("DELETED", { ...held, metadata });
  }

  #happen(type: Happened["type"], object: KubeObject): void {
    const happened = { version: this.#version, type, object };
    this.#history.push(happened);
    this.told.push(lineOf(happened));
    for (const watch of this.watches) this.#tell(watch, happened);
  }
}

function lineOf({ type, object }: Pick<Happened, "type" | "object">): string {
  return `${JSON.stringify({ type, object })}\n`;
}

export function answer(value: object, status = 200): HttpResponse {
  return { status, headers: {}, body: chunks(JSON.stringify(value)) };
}

export function refusal(
  code: number,
  reason: string,
  headers: Record<string, string> = {},
): HttpResponse {
  const status = { kind: "Status", status: "Failure", reason, message: `it is ${reason}`, code };
  return { status: code, headers, body: chunks(JSON.stringify(status)) };
}

/** A body that comes in these pieces. */
export async function* chunks(...parts: Array<string | Uint8Array>): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}
