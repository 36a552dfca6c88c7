/** Waiting for what becomes true by itself: a condition is asked again and again, never a guess at how long it takes. */
import { setTimeout as sleep } from "node:timers/promises";

export interface EventuallyOptions {
  timeoutMs?: number;
  intervalMs?: number;
}

/** Thrown by a condition that no more waiting can cure. */
export class Hopeless extends Error {}

/**
 * Asks until the answer is neither undefined nor false, and neither is thrown: expectations may
 * stand in the condition.
 * @throws Error with the last failure as its cause, once the time is over.
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 60_000, intervalMs = 25 }: EventuallyOptions = {},
): Promise<Exclude<Awaited<T>, undefined | false>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    let failure: unknown;
    try {
      const answer = await condition();
      if (answer !== undefined && answer !== false) {
        return answer as Exclude<Awaited<T>, undefined | false>;
      }
      failure = new Error(`the condition is still ${String(answer)}`);
    } catch (thrown) {
      if (thrown instanceof Hopeless) throw thrown;
      failure = thrown;
    }
    if (Date.now() >= deadline) {
      const why = failure instanceof Error ? failure.message : String(failure);
      throw new Error(`not within ${timeoutMs} ms: ${why}`, { cause: failure });
    }
    await sleep(intervalMs);
  }
}
