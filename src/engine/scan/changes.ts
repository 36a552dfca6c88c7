/**
 * Changes as they travel between threads: for every changed cluster four 32-bit numbers, in the
 * order of the disk.
 */

export interface Change {
  /** Which cluster of the span it is, from 0. */
  readonly cluster: number;
  /**
   * Bytes to store: 0 for a cluster that became zero, the cluster size for plain data, anything
   * between for compressed data.
   */
  readonly length: number;
  /** Which of the cluster's 32 subclusters hold data; all unless the overlay has extended L2. */
  readonly dataBits: number;
  /** Which of them became zero. */
  readonly zeroBits: number;
}

const WORDS = 4;
export const ALL_SUBCLUSTERS = 0xffffffff;

export class ChangeList {
  #words = new Uint32Array(64 * WORDS);
  #count = 0;

  add(change: Change): void {
    if ((this.#count + 1) * WORDS > this.#words.length) {
      const grown = new Uint32Array(this.#words.length * 2);
      grown.set(this.#words);
      this.#words = grown;
    }
    const { cluster, length, dataBits, zeroBits } = change;
    this.#words.set([cluster, length, dataBits, zeroBits], this.#count++ * WORDS);
  }

  get count(): number {
    return this.#count;
  }

  /** The changes so far, to be sent; the list is empty afterwards. */
  take(): Uint32Array<ArrayBuffer> {
    const words = this.#words.slice(0, this.#count * WORDS);
    this.#count = 0;
    return words;
  }
}

export function* changesIn(words: Uint32Array): Generator<Change> {
  for (let at = 0; at + WORDS <= words.length; at += WORDS) {
    const [cluster = 0, length = 0, dataBits = 0, zeroBits = 0] = words.subarray(at, at + WORDS);
    yield { cluster, length, dataBits, zeroBits };
  }
}
