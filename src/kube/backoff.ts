/** How long to wait before the next attempt. */

/** A server that asks for more is not believed. */
const LONGEST_ASKED_SECONDS = 300;

export interface BackoffOptions {
  /** After the first failure. */
  firstSeconds: number;
  /** Never more, jitter aside. */
  maxSeconds: number;
  /** By how much a wait may be shorter or longer, as a part of it. */
  jitter: number;
  /** In [0, 1). */
  random?: () => number;
}

/** Doubles with each failure; the jitter keeps many from coming back at once. */
export class Backoff {
  readonly #options: Required<BackoffOptions>;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = { random: Math.random, ...options };
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** Counts a failure and says how many seconds to wait, no less than what the server asks for. */
  next(askedSeconds = 0): number {
    const { firstSeconds, maxSeconds, jitter, random } = this.#options;
    const wait = Math.min(firstSeconds * 2 ** this.#failures, maxSeconds);
    this.#failures += 1;
    return Math.max(
      wait * (1 - jitter + 2 * jitter * random()),
      Math.min(askedSeconds, LONGEST_ASKED_SECONDS),
    );
  }

  reset(): void {
    this.#failures = 0;
  }
}
