/** Time that passes only when it is told to. */
import { setImmediate as realImmediate } from "node:timers";
import { vi } from "vitest";

/** Moments begin here in every run, so that two runs can be compared. */
const START = Date.parse("2030-01-01T00:00:00Z");

/** More timers than any run needs: something goes round in circles. */
const MOST_STEPS = 60_000;

/** Takes the place of the process' clock and timers until `stop`. */
export class Clock {
  #steps = 0;

  constructor() {
    vi.useFakeTimers({
      now: START,
      toFake: ["setTimeout", "clearTimeout", "Date", "performance"],
    });
  }

  /** Seconds since the start. */
  get seconds(): number {
    return (Date.now() - START) / 1000;
  }

  /** Lets the next timer fire, and all come to rest that goes on without one. */
  async step(): Promise<void> {
    this.#steps += 1;
    if (this.#steps > MOST_STEPS) throw new Error("time does not pass: a circle without a wait");
    vi.advanceTimersToNextTimer();
    await settle();
  }

  stop(): void {
    vi.useRealTimers();
  }
}

/** Resolves once every promise that can has been followed to its end. */
export async function settle(): Promise<void> {
  // The queue of microtasks is empty before the loop turns.
  await new Promise((resolve) => realImmediate(resolve));
}

/** RFC 3339 with whole seconds, as the API server writes moments. */
export function timestamp(milliseconds = Date.now()): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, "Z");
}
