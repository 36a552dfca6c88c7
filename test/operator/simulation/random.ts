/** Chance that a seed decides: the same seed, the same choices. */

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
    // Seeds that follow each other shall not begin alike.
    this.next();
    this.next();
  }

  /** In [0, 1): mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  between(least: number, most: number): number {
    return least + (most - least) * this.next();
  }

  /** A whole number, both ends included. */
  int(least: number, most: number): number {
    return Math.floor(this.between(least, most + 1));
  }

  pick<T>(choices: readonly T[]): T {
    if (choices.length === 0) throw new Error("there is nothing to choose from");
    return choices[this.int(0, choices.length - 1)] as T;
  }

  /** One that goes its own way: what it is asked for changes nothing of this one. */
  fork(): Random {
    return new Random(this.int(0, 2 ** 31));
  }
}
