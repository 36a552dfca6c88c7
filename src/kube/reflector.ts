/** Keeps a store equal to what the API server has: one list, then watches from there on. */
import { ApiError, isForbidden, isNotFound } from "./api-error.ts";
import { Backoff } from "./backoff.ts";
import type { Client } from "./client.ts";
import { silent, type Log } from "./log.ts";
import { keyOf, keyText, type KubeObject, type ResourceType } from "./resource-type.ts";
import { compareVersions } from "./resource-version.ts";
import type { Change, Store } from "./store.ts";
import { wait } from "./wait.ts";
import type { WatchEvent } from "./watch.ts";

/**
 * How long the server lets a watch run, jitter aside. A watch over HTTP/1.1 that is quiet looks
 * like one whose connection is dead: bookmarks come once a minute, which is too late, and TCP's
 * keepalive is answered by a proxy even where all behind it is gone (client-go sends HTTP/2
 * pings after 30 s, ConfigureHTTP2Transport in apimachinery's net/http.go). So every watch has
 * an end that both sides know: two seconds before it the server tells how far it has come
 * (cache_watcher.go, nextBookmarkTime), then it ends the answer in order. The next watch goes
 * on from there over the same connection: one cheap request, no list, no handshake. What has
 * not ended in time is dead, and noticed less than 60 s after the last sign of life.
 */
const WATCH_SECONDS = 48;
/** Subtracted at random, so that not all watches come back at once. */
const WATCH_JITTER_SECONDS = 8;
/** How often to ask for what may not be read. */
const UNAVAILABLE_SECONDS = 300;
/** A watch that ends sooner, and that said nothing, is no success. */
const SHORT_WATCH_SECONDS = 1;

export interface ReflectorHooks {
  /** The whole list was read, again or for the first time. */
  relisted?(type: ResourceType<KubeObject>): void;
  /** `end` where the server ended it in order, else what went wrong in one word. */
  watchEnded?(type: ResourceType<KubeObject>, why: string): void;
}

export interface ReflectorOptions<T extends KubeObject> {
  client: Client;
  type: ResourceType<T>;
  /** Written by this reflector only. */
  store: Store<T>;
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  /** What to keep of an object: its name, namespace, uid and resourceVersion at least. */
  transform?: ((object: T) => T) | undefined;
  /** Called after the store has changed. */
  onChange?: ((change: Change<T>) => void) | undefined;
  /** What may not be read (403) or does not exist (404) counts as empty; asked again in 5 minutes. */
  optional?: boolean | undefined;
  log?: Log | undefined;
  hooks?: ReflectorHooks | undefined;
  /** In [0, 1). */
  random?: (() => number) | undefined;
}

export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #log: Log;
  readonly #random: () => number;
  readonly #backoff: Backoff;
  readonly #synced = Promise.withResolvers<void>();
  /** How far the store has come; undefined where only a list can tell. */
  #version: string | undefined;
  #isSynced = false;
  #available = true;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#log = options.log ?? silent;
    this.#random = options.random ?? Math.random;
    this.#backoff = new Backoff({
      firstSeconds: 0.5,
      maxSeconds: 15,
      jitter: 0.5,
      random: this.#random,
    });
  }

  /** Whether the store has held everything once. */
  get synced(): boolean {
    return this.#isSynced;
  }

  /** Resolves once `synced` is true; never rejects. */
  get whenSynced(): Promise<void> {
    return this.#synced.promise;
  }

  /** False while an optional kind may not be read or does not exist. */
  get available(): boolean {
    return this.#available;
  }

  /** Resolves when the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const seconds = await this.#follow(signal);
      await wait(seconds, signal);
    }
  }

  /** Lists where need be, watches once, and says how many seconds to wait before the next time. */
  async #follow(signal: AbortSignal): Promise<number> {
    const { type, hooks, optional = false } = this.#options;
    let watching = false;
    try {
      this.#version ??= await this.#list(signal);
      watching = true;
      const useful = await this.#watch(this.#version, signal);
      hooks?.watchEnded?.(type, "end");
      if (!useful) return this.#backoff.next();
      this.#backoff.reset();
      return 0;
    } catch (error) {
      if (signal.aborted) return 0;
      if (watching) hooks?.watchEnded?.(type, wordFor(error));
      if (watching && needsList(error)) this.#version = undefined;
      if (optional && (isForbidden(error) || isNotFound(error))) return this.#withdraw(error);
      const seconds = this.#backoff.next(retryAfter(error));
      this.#log.warn({ error, kind: type.kind, seconds }, "Objects are not followed for a moment");
      return seconds;
    }
  }

  async #list(signal: AbortSignal): Promise<string> {
    const { client, type, store, hooks, ...rest } = this.#options;
    const { items, resourceVersion } = await client.list(type, { ...rest, signal });
    this.#available = true;
    this.#tell(store.replaceAll(items));
    this.#sync();
    hooks?.relisted?.(type);
    return resourceVersion;
  }

  /** Whether it told something, or stood for a while. */
  async #watch(from: string, signal: AbortSignal): Promise<boolean> {
    const { client, type, namespace, labelSelector, fieldSelector } = this.#options;
    const started = performance.now();
    const events = client.watch(type, {
      ...{ namespace, labelSelector, fieldSelector },
      resourceVersion: from,
      timeoutSeconds: Math.round(WATCH_SECONDS - WATCH_JITTER_SECONDS * this.#random()),
      signal,
    });
    let told = false;
    for await (const event of events) {
      this.#apply(event);
      told = true;
      this.#backoff.reset();
    }
    return told || performance.now() - started >= SHORT_WATCH_SECONDS * 1000;
  }

  #apply(event: WatchEvent<T>): void {
    const { store, transform } = this.#options;
    const version = event.object.metadata?.resourceVersion ?? "";
    if (version === "") throw new InconsistentWatch("an event has no resourceVersion");
    if (!this.#isNext(event, version)) return;
    this.#version = version;
    if (event.type === "BOOKMARK") return;
    if (event.type === "DELETED") this.#tell(store.remove(keyOf(event.object)));
    else this.#tell(store.upsert(transform?.(event.object) ?? event.object));
  }

  /**
   * Within one watch the server's order is the order, and resourceVersions only grow (several
   * may be the same: a lease of etcd's takes all of its keys at once). One that is older than
   * what was told before is a repetition, which is dropped where the store holds something as
   * new. Otherwise nobody can tell a late event from a repeated one, and only a list can say
   * what is true. Versions that do not compare are taken as they come.
   */
  #isNext(event: WatchEvent<T>, version: string): boolean {
    const told = compareVersions(version, this.#version ?? "");
    if (told === undefined || told >= 0) return true;
    const held = this.#options.store.get(keyOf(event.object))?.metadata?.resourceVersion ?? "";
    const known = compareVersions(version, held);
    if (event.type !== "BOOKMARK" && known !== undefined && known <= 0) return false;
    throw new InconsistentWatch("an event is older than what was told before it");
  }

  #withdraw(error: Error): number {
    const { store, type } = this.#options;
    this.#version = undefined;
    if (this.#available) this.#log.info({ error, kind: type.kind }, "Works without these objects");
    this.#available = false;
    this.#tell(store.replaceAll([]));
    this.#sync();
    return UNAVAILABLE_SECONDS;
  }

  #tell(changes: ReadonlyArray<Change<T>>): void {
    for (const change of changes) {
      try {
        this.#options.onChange?.(change);
      } catch (error) {
        const object = change.after ?? change.before ?? {};
        this.#log.error({ error, key: keyText(keyOf(object)) }, "A change could not be passed on");
      }
    }
  }

  #sync(): void {
    this.#isSynced = true;
    this.#synced.resolve();
  }
}

class InconsistentWatch extends Error {
  override readonly name = "InconsistentWatch";
}

/** Whether the same watch could never go on. */
function needsList(error: unknown): boolean {
  if (error instanceof ApiError)
    return ![401, 403, 429].includes(error.status) && error.status < 500;
  return error instanceof InconsistentWatch;
}

function retryAfter(error: unknown): number | undefined {
  return error instanceof ApiError ? error.retryAfterSeconds : undefined;
}

function wordFor(error: unknown): string {
  if (error instanceof ApiError) return error.reason;
  return error instanceof Error ? error.name : "Error";
}
