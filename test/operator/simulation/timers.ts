/** What the cluster and its people have set themselves to do later. */

export class Timers {
  #pending = 0;

  /** How many things are still to be done. */
  get pending(): number {
    return this.#pending;
  }

  /** Does something so many seconds from now; ends with the call of what it returns. */
  after(seconds: number, act: () => void): () => void {
    this.#pending += 1;
    let done = false;
    const end = (): void => {
      if (!done) this.#pending -= 1;
      done = true;
    };
    const timer = setTimeout(() => {
      end();
      act();
    }, seconds * 1000);
    return () => {
      clearTimeout(timer);
      end();
    };
  }
}
