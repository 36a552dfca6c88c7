/** Waiting that a signal can end, on timers that tests can turn. */

/** Node fires a longer timer at once (2^31 ms, 24.8 days). */
export const LONGEST_TIMER = 2 ** 31 - 1;

/** Resolves after so many seconds, or earlier when the signal aborts. */
export async function wait(seconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, Math.min(seconds * 1000, LONGEST_TIMER));
  const end = (): void => resolve();
  signal.addEventListener("abort", end);
  await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", end);
}

/** A signal that aborts with the caller's, and with an error of our own after a time. */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(parent: AbortSignal | undefined) {
    this.#parent = parent;
    if (parent?.aborted === true) this.#follow();
    else parent?.addEventListener("abort", this.#follow);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  readonly #follow = (): void => this.#controller.abort(this.#parent?.reason);

  /** Sets the time anew: from now on so many seconds. */
  set(seconds: number, reason: () => Error): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#controller.abort(reason()), seconds * 1000);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#parent?.removeEventListener("abort", this.#follow);
  }
}
