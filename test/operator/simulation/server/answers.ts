/** What the API server answers to a request, at the moment at which it does. */
import { isDeepStrictEqual } from "node:util";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import type { HttpRequest } from "../../../../src/kube/transport.ts";
import { Pods } from "../../../../src/operator/resources.ts";
import { Refusal, type ApiServer } from "./api-server.ts";
import { kindName, placeOf, type Place } from "./kinds.ts";
import { immutableField } from "./rules.ts";
import { selector } from "./selectors.ts";
import type { Stored } from "./store.ts";
import { WatchStream } from "./watch-stream.ts";

export interface Answer {
  status: number;
  headers?: Record<string, string>;
  /** A body, or a watch that goes on. */
  body: string | WatchStream;
}

type Named = Place & { name: string };

export class Answers {
  readonly #server: ApiServer;
  /** What a container has written, or why that cannot be had. */
  readonly #log: (pod: Pod, lines: number) => string;
  /** The rest of lists that were begun, by their tokens; each as of one moment. */
  readonly #rests = new Map<string, { items: Stored[]; revision: number }>();
  #tokens = 0;
  #compactedAt = 0;

  constructor(server: ApiServer, log: (pod: Pod, lines: number) => string) {
    this.#server = server;
    this.#log = log;
  }

  /** From which moment on watches can be had. */
  get compactedAt(): number {
    return this.#compactedAt;
  }

  /** Forgets the past, and with it the lists that were begun. */
  compact(): void {
    this.#compactedAt = this.#server.store.revision;
    this.#server.store.compact();
    this.#rests.clear();
  }

  answer(request: HttpRequest): Answer {
    try {
      return this.#answer(request);
    } catch (error) {
      if (error instanceof Refusal) return refused(error);
      throw error;
    }
  }

  #answer({ method, path, query = {}, body }: HttpRequest): Answer {
    const place = placeOf(path);
    if (place === undefined) throw notFound(path);
    const { name } = place;
    const sent = body === undefined ? {} : (JSON.parse(body) as Stored);
    if (name === undefined) {
      if (method === "POST") return this.#post(place, sent);
      return query["watch"] === "true" ? this.#watch(place, query) : this.#list(place, query);
    }
    const named = { ...place, name };
    switch (method) {
      case "GET":
        return place.subresource === "log" ? this.#readLog(named, query) : this.#get(named);
      case "PUT":
        return this.#put(named, sent);
      case "PATCH":
        return this.#patch(named, sent);
      case "DELETE":
        return this.#delete(named, sent as DeleteOptions);
      case "POST":
        throw new Refusal(405, "MethodNotAllowed", "the server does not allow this method");
    }
  }

  #get(place: Named): Answer {
    return this.#ok(this.#find(place));
  }

  #find(place: Named): Stored {
    const found = this.#server.get(place.type, place);
    if (found === undefined) throw notFound(`${place.type.plural} "${place.name}" not found`);
    return found;
  }

  #list({ type, namespace }: Place, query: Record<string, string>): Answer {
    const begun = query["continue"];
    const rest = begun === undefined ? undefined : this.#rests.get(begun);
    if (begun !== undefined && rest === undefined)
      throw expired("The provided continue parameter is too old");
    const selects = selector(query);
    const all =
      rest?.items ??
      this.#server
        .all(type)
        .filter(
          (object: Stored) =>
            (namespace === undefined || object.metadata?.namespace === namespace) &&
            selects(object),
        );
    const revision = rest?.revision ?? this.#server.store.revision;
    const limit = Number(query["limit"] ?? all.length);
    const left = all.slice(limit);
    const token = left.length === 0 ? undefined : this.#remember(left, revision);
    const items = all.slice(0, limit).map((object) => this.#server.store.text(object));
    const metadata = { resourceVersion: String(revision), ...(token && { continue: token }) };
    const text = `{"kind":"${type.kind}List","metadata":${JSON.stringify(metadata)},"items":[${items.join(",")}]}`;
    return { status: 200, body: text };
  }

  #remember(items: Stored[], revision: number): string {
    this.#tokens += 1;
    const token = `page-${this.#tokens}`;
    this.#rests.set(token, { items, revision });
    return token;
  }

  #watch({ type, namespace }: Place, query: Record<string, string>): Answer {
    const kind = kindName(type);
    const resourceVersion = Number(query["resourceVersion"]);
    if (resourceVersion < this.#server.store.kind(kind).compacted) {
      throw expired(`too old resource version: ${resourceVersion}`);
    }
    const timeoutSeconds = Number(query["timeoutSeconds"]);
    const selects = selector(query);
    const request = { kind, namespace, selects, resourceVersion, timeoutSeconds };
    return { status: 200, body: new WatchStream(this.#server, request) };
  }

  #post({ type }: Place, sent: Stored): Answer {
    return this.#ok(this.#server.create(type, sent), 201);
  }

  #put(place: Named, sent: Stored): Answer {
    const present = this.#find(place);
    if (sent.metadata?.resourceVersion === undefined) {
      // Custom resources have no unconditional update.
      throw new Refusal(
        422,
        "Invalid",
        "metadata.resourceVersion: must be specified for an update",
      );
    }
    sameUid(present, sent.metadata.uid);
    if (sent.metadata.resourceVersion !== present.metadata?.resourceVersion) {
      throw conflict(
        place,
        "the object has been modified; please apply your changes to the latest version and try again",
      );
    }
    if (place.subresource !== "status") throw new Refusal(405, "MethodNotAllowed", "not simulated");
    return this.#ok(
      this.#server.update(place.type, place, (object: Stored) => ({
        ...object,
        status: sent.status,
      })),
    );
  }

  #patch(place: Named, sent: Stored): Answer {
    const present = this.#find(place);
    sameUid(present, sent.metadata?.uid);
    const merged = merge(present, sent) as Stored;
    const field = immutableField(present, merged);
    if (field !== undefined) throw new Refusal(422, "Invalid", `spec.${field}: field is immutable`);
    return this.#ok(this.#server.update(place.type, place, () => merged));
  }

  #delete(place: Named, options: DeleteOptions): Answer {
    const object = this.#find(place);
    const { uid, resourceVersion } = options.preconditions ?? {};
    sameUid(object, uid);
    if (resourceVersion !== undefined && resourceVersion !== object.metadata?.resourceVersion) {
      throw new Refusal(
        409,
        "Conflict",
        `Precondition failed: ResourceVersion: ${resourceVersion}`,
      );
    }
    return this.#ok(this.#server.delete(place.type, place, options.propagationPolicy));
  }

  #readLog(place: Named, query: Record<string, string>): Answer {
    const pod = this.#server.get(Pods, place);
    if (pod === undefined) throw notFound(`pods "${place.name}" not found`);
    return { status: 200, body: this.#log(pod, Number(query["tailLines"])) };
  }

  #ok(object: Stored | undefined, status = 200): Answer {
    if (object === undefined) throw new Error("there was an object a moment ago");
    return { status, body: this.#server.store.text(object) };
  }
}

interface DeleteOptions {
  preconditions?: { uid?: string; resourceVersion?: string };
  propagationPolicy?: "Background" | "Foreground";
}

/** An error as the API server puts it. */
export function refused({ status, reason, message }: Refusal): Answer {
  return { status, body: statusText(status, reason, message) };
}

export function statusText(code: number, reason: string, message: string): string {
  return JSON.stringify({
    kind: "Status",
    apiVersion: "v1",
    status: "Failure",
    code,
    reason,
    message,
  });
}

function notFound(message: string): Refusal {
  return new Refusal(404, "NotFound", message);
}

export function expired(message: string): Refusal {
  return new Refusal(410, "Expired", message);
}

function conflict({ type, name }: Named, why: string): Refusal {
  return new Refusal(
    409,
    "Conflict",
    `Operation cannot be fulfilled on ${type.plural} "${name}": ${why}`,
  );
}

function sameUid({ metadata }: Stored, uid: string | undefined): void {
  if (uid === undefined || uid === metadata?.uid) return;
  throw new Refusal(
    409,
    "Conflict",
    `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata?.uid}`,
  );
}

/** RFC 7386. */
function merge(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = merge(merged[name], value);
  }
  return isDeepStrictEqual(merged, target) ? target : merged;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
