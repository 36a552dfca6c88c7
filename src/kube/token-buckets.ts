/** Keeps each of many keys from being used too often. */

export interface TokenBucketsOptions {
  /** Uses that a key may make at once. */
  burst: number;
  /** After how long one more is allowed. */
  refillSeconds: number;
  /** Keys that are remembered; the one that was longest unused is forgotten first. */
  most: number;
}

export class TokenBuckets {
  readonly #options: TokenBucketsOptions;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(options: TokenBucketsOptions) {
    this.#options = options;
  }

  /** Whether the key may be used now; counts as a use where it may. */
  take(key: string): boolean {
    const { burst, refillSeconds, most } = this.#options;
    const at = performance.now();
    const bucket = this.#buckets.get(key) ?? { tokens: burst, at };
    const refilled = (at - bucket.at) / (refillSeconds * 1000);
    const tokens = Math.min(bucket.tokens + refilled, burst);
    const allowed = tokens >= 1;
    this.#buckets.delete(key);
    this.#buckets.set(key, { tokens: allowed ? tokens - 1 : tokens, at });
    for (const oldest of this.#buckets.keys()) {
      if (this.#buckets.size <= most) break;
      this.#buckets.delete(oldest);
    }
    return allowed;
  }
}
