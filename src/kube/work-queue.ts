/** Keys that need looking at: each once, none twice at a time, again later where it failed. */
import { ApiError, isConflict } from "./api-error.ts";
import { Backoff } from "./backoff.ts";
import { LONGEST_TIMER } from "./wait.ts";

const FIRST_RETRY_SECONDS = 0.2;
const LONGEST_RETRY_SECONDS = 300;
const JITTER = 0.1;
/** As many in a row are somebody else being quicker; more are a failure like any other. */
const QUICK_CONFLICTS = 5;

export interface WorkQueueOptions {
  /** Keys that are handled at once, at most. */
  concurrency: number;
  /** Looks at a key. Where it rejects, the key comes back after a while. */
  handle: (key: string, signal: AbortSignal) => Promise<{ lookAgainSeconds?: number } | void>;
  onError?: (key: string, error: unknown, retryInSeconds: number) => void;
  /** In [0, 1). */
  random?: () => number;
}

interface Delay {
  /** By `performance.now()`, which no change of the clock moves. */
  at: number;
  timer: NodeJS.Timeout;
}

export class WorkQueue {
  readonly #options: WorkQueueOptions;
  /** In the order in which they came, so that none starves. */
  readonly #ready = new Set<string>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #delays = new Map<string, Delay>();
  readonly #backoffs = new Map<string, Backoff>();
  #signal: AbortSignal | undefined;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** Keys that wait for a handler. */
  get depth(): number {
    return this.#ready.size;
  }

  /** From the call of `run` until the last of its handlers has ended. */
  get running(): boolean {
    return this.#signal !== undefined;
  }

  /** Has the key handled as soon as there is room; once more where it is being handled now. */
  add(key: string): void {
    this.forget(key);
    this.#ready.add(key);
    this.#start();
  }

  /** Has the key handled after so many seconds, or at an earlier moment that was set before. */
  addAfter(key: string, seconds: number): void {
    if (this.#ready.has(key)) return;
    const at = performance.now() + seconds * 1000;
    const set = this.#delays.get(key);
    if (set !== undefined && set.at <= at) return;
    clearTimeout(set?.timer);
    this.#sleep(key, at);
  }

  /** Drops what addAfter, or a failure, has set for the key. */
  forget(key: string): void {
    clearTimeout(this.#delays.get(key)?.timer);
    this.#delays.delete(key);
  }

  /**
   * Handles keys until the signal aborts; resolves once every handler has ended. Keys that are
   * left, delayed ones too, are handled by the next run.
   */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#signal !== undefined) throw new Error("The work queue is running already.");
    this.#signal = signal;
    const { promise, resolve } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (signal.aborted) resolve();
    this.#start();
    await promise;
    while (this.#running.size > 0) await Promise.all(this.#running.values());
    for (const key of this.#delays.keys()) this.add(key);
    this.#signal = undefined;
  }

  #start(): void {
    const signal = this.#signal;
    if (signal === undefined || signal.aborted) return;
    for (const key of this.#ready) {
      if (this.#running.size >= this.#options.concurrency) return;
      if (this.#running.has(key)) continue;
      this.#ready.delete(key);
      const handled = this.#handle(key, signal).finally(() => {
        this.#running.delete(key);
        this.#start();
      });
      this.#running.set(key, handled);
    }
  }

  /** Never rejects. */
  async #handle(key: string, signal: AbortSignal): Promise<void> {
    try {
      const result = await this.#options.handle(key, signal);
      this.#backoffs.delete(key);
      if (result?.lookAgainSeconds !== undefined) this.addAfter(key, result.lookAgainSeconds);
    } catch (error) {
      this.#retry(key, error, signal);
    }
  }

  #retry(key: string, error: unknown, signal: AbortSignal): void {
    // Whatever it was, the next run looks again.
    if (signal.aborted) return this.add(key);
    const backoff = this.#backoffs.get(key) ?? this.#newBackoff();
    this.#backoffs.set(key, backoff);
    const seconds = backoff.next(error instanceof ApiError ? error.retryAfterSeconds : undefined);
    this.addAfter(key, seconds);
    if (isConflict(error) && backoff.failures <= QUICK_CONFLICTS) return;
    this.#options.onError?.(key, error, seconds);
  }

  #newBackoff(): Backoff {
    const { random } = this.#options;
    return new Backoff({
      firstSeconds: FIRST_RETRY_SECONDS,
      maxSeconds: LONGEST_RETRY_SECONDS,
      jitter: JITTER,
      ...(random && { random }),
    });
  }

  #sleep(key: string, at: number): void {
    const milliseconds = at - performance.now();
    const timer = setTimeout(
      () => {
        if (at > performance.now()) this.#sleep(key, at);
        else this.add(key);
      },
      Math.min(Math.max(Math.ceil(milliseconds), 0), LONGEST_TIMER),
    );
    this.#delays.set(key, { at, timer });
  }
}
