/** Who looks at what next: every part of the cluster has its own pace. */
import type { Timers } from "../timers.ts";

/** How fast a part of the cluster is. */
export interface Pace {
  timers: Timers;
  /** How long it takes this time until something that has changed is looked at. */
  seconds: () => number;
}

export class Agenda {
  readonly #look: (key: string) => void;
  readonly #pace: Pace;
  readonly #due = new Map<string, { at: number; cancel: () => void }>();

  /** @param look what is done about a key. */
  constructor(look: (key: string) => void, pace: Pace) {
    this.#look = look;
    this.#pace = pace;
  }

  /** Has a key looked at after a while, or earlier where that was agreed on. */
  soon(key: string, seconds = this.#pace.seconds()): void {
    const at = Date.now() + seconds * 1000;
    const agreed = this.#due.get(key);
    if (agreed !== undefined && agreed.at <= at) return;
    agreed?.cancel();
    const cancel = this.#pace.timers.after(seconds, () => {
      this.#due.delete(key);
      this.#look(key);
    });
    this.#due.set(key, { at, cancel });
  }
}
