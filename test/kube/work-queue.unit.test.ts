import * as fc from "fast-check";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { ApiError } from "../../src/kube/api-error.ts";
import { WorkQueue, type WorkQueueOptions } from "../../src/kube/work-queue.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

type Handle = WorkQueueOptions["handle"];

/** A queue that runs until the test ends, and what it reported. */
function start(handle: Handle, concurrency = 1) {
  const errors: Array<{ key: string; error: unknown; seconds: number }> = [];
  const queue = new WorkQueue({
    concurrency,
    handle,
    onError: (key, error, seconds) => errors.push({ key, error, seconds }),
    random: () => 0.5,
  });
  const stop = new AbortController();
  const ended = queue.run(stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await ended;
  });
  return { queue, errors, stop, ended };
}

/** What is in the microtask queue, and no timer. */
const settle = async (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
const pass = async (seconds: number): Promise<unknown> =>
  vi.advanceTimersByTimeAsync(seconds * 1000);

test("a key that is added many times is handled once", async () => {
  const handle = vi.fn<Handle>(async () => {});
  const { queue } = start(handle);
  for (let i = 0; i < 5; i += 1) queue.add("a");
  await settle();
  // The first went to its handler at once, the others are one more look.
  expect(handle).toHaveBeenCalledTimes(2);
  await pass(3600);
  expect(handle).toHaveBeenCalledTimes(2);
});

test("keys that come before it runs wait for it, in their order", async () => {
  const seen: string[] = [];
  const queue = new WorkQueue({ concurrency: 1, handle: async (key) => void seen.push(key) });
  for (const key of ["a", "b", "c", "a"]) queue.add(key);
  expect(queue.depth).toBe(3);
  await settle();
  expect(seen).toEqual([]);
  const stop = new AbortController();
  const ended = queue.run(stop.signal);
  await settle();
  expect(seen).toEqual(["a", "b", "c"]);
  expect(queue.depth).toBe(0);
  stop.abort();
  await ended;
});

test("a key that changes while it is handled is handled again, never twice at once", async () => {
  const gates: Array<() => void> = [];
  const handle = vi.fn<Handle>(async () => new Promise((resolve) => gates.push(resolve)));
  const { queue, stop } = start(handle, 4);
  queue.add("a");
  queue.add("a");
  queue.add("a");
  await settle();
  expect(handle).toHaveBeenCalledTimes(1);
  expect(queue.depth).toBe(1);
  gates[0]?.();
  await settle();
  expect(handle).toHaveBeenCalledTimes(2);
  stop.abort();
  gates[1]?.();
});

test("no more than so many at once", async () => {
  let running = 0;
  let most = 0;
  const gates: Array<() => void> = [];
  const { queue } = start(async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise<void>((resolve) => gates.push(resolve));
    running -= 1;
  }, 3);
  for (const key of "abcdefgh") queue.add(key);
  for (let done = 0; done < 8; done += 1) {
    await settle();
    gates.shift()?.();
  }
  await settle();
  expect(most).toBe(3);
  expect(running).toBe(0);
});

test("a failure is reported, and tried again later and later", async () => {
  const { queue, errors } = start(async () => {
    throw new Error("no");
  });
  queue.add("a");
  await pass(3600);
  const waits = errors.map(({ seconds }) => seconds);
  expect(waits.slice(0, 12)).toEqual([
    0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 300,
  ]);
  expect(errors[0]).toMatchObject({ key: "a", error: new Error("no") });
});

test("after a success the waits begin anew", async () => {
  let fail = true;
  const { queue, errors } = start(async () => {
    if (fail) throw new Error("no");
  });
  queue.add("a");
  await pass(10);
  fail = false;
  await pass(100);
  fail = true;
  queue.add("a");
  await settle();
  expect(errors.at(-1)?.seconds).toBe(0.2);
});

test("the server's own wait is kept", async () => {
  const calls: number[] = [];
  const start0 = performance.now();
  const { queue } = start(async () => {
    calls.push((performance.now() - start0) / 1000);
    if (calls.length === 1) throw new ApiError("x", 429, {}, 17);
  });
  queue.add("a");
  await pass(100);
  expect(calls).toEqual([0, 17]);
});

test("conflicts are tried again quickly and told only when they do not end", async () => {
  const handle = vi.fn<Handle>(async () => {
    throw new ApiError("update Thing a", 409, { reason: "Conflict" });
  });
  const { queue, errors } = start(handle);
  queue.add("a");
  await pass(2);
  expect(handle).toHaveBeenCalledTimes(4);
  expect(errors).toEqual([]);
  await pass(60);
  expect(errors.length).toBeGreaterThan(0);
});

test("a handler that throws before it awaits is a failure like any other", async () => {
  const { queue, errors } = start(() => {
    throw new Error("at once");
  });
  queue.add("a");
  queue.add("b");
  await settle();
  expect(errors.map(({ key }) => key)).toEqual(["a", "b"]);
});

test("a key can ask to be looked at again", async () => {
  const handle = vi.fn<Handle>(async () => ({ lookAgainSeconds: 60 }));
  const { queue } = start(handle);
  queue.add("a");
  await pass(59);
  expect(handle).toHaveBeenCalledTimes(1);
  await pass(2);
  expect(handle).toHaveBeenCalledTimes(2);
});

test("a change makes a delayed key come at once, and once only", async () => {
  const handle = vi.fn<Handle>(async () => {});
  const { queue } = start(handle);
  queue.addAfter("a", 60);
  queue.add("a");
  await settle();
  expect(handle).toHaveBeenCalledTimes(1);
  await pass(3600);
  expect(handle).toHaveBeenCalledTimes(1);
});

test("of two delays the earlier counts", async () => {
  const handle = vi.fn<Handle>(async () => {});
  const { queue } = start(handle);
  queue.addAfter("a", 60);
  queue.addAfter("a", 10);
  queue.addAfter("a", 90);
  await pass(10);
  expect(handle).toHaveBeenCalledTimes(1);
  await pass(3600);
  expect(handle).toHaveBeenCalledTimes(1);
});

test("who waits for a handler already has no use for a delay", async () => {
  const gate = Promise.withResolvers<void>();
  const handle = vi.fn<Handle>(async (key) => {
    if (key === "a") await gate.promise;
  });
  const { queue } = start(handle);
  queue.add("a");
  queue.add("b");
  queue.addAfter("b", 10);
  gate.resolve();
  await pass(3600);
  expect(handle).toHaveBeenCalledTimes(2);
});

test("what is forgotten does not come", async () => {
  const handle = vi.fn<Handle>(async () => {});
  const { queue } = start(handle);
  queue.addAfter("a", 60);
  queue.forget("a");
  queue.forget("b");
  await pass(3600);
  expect(handle).not.toHaveBeenCalled();
});

test("a wait of a hundred days is no busy loop, and comes", async () => {
  const handle = vi.fn<Handle>(async () => {});
  const { queue } = start(handle);
  const timers = vi.spyOn(globalThis, "setTimeout");
  const days = 86_400;
  queue.addAfter("a", 100 * days);
  await pass(99 * days);
  expect(handle).not.toHaveBeenCalled();
  await pass(2 * days);
  expect(handle).toHaveBeenCalledTimes(1);
  expect(timers.mock.calls.length).toBeLessThan(10);
});

test("a clock that jumps moves nothing", async () => {
  const handle = vi.fn<Handle>(async () => {});
  const { queue } = start(handle);
  queue.addAfter("a", 60);
  vi.setSystemTime(Date.now() + 86_400_000);
  await pass(59);
  vi.setSystemTime(0);
  expect(handle).not.toHaveBeenCalled();
  await pass(1);
  expect(handle).toHaveBeenCalledTimes(1);
});

test("the end waits for what has begun, begins no more, and loses nothing", async () => {
  const gates: Array<() => void> = [];
  let signal: AbortSignal | undefined;
  const handle = vi.fn<Handle>(async (_, given) => {
    signal = given;
    await new Promise<void>((resolve) => gates.push(resolve));
    given.throwIfAborted();
  });
  const { queue, stop, ended, errors } = start(handle);
  queue.add("a");
  queue.add("b");
  queue.addAfter("c", 3600);
  await settle();
  let over = false;
  void ended.then(() => (over = true));
  stop.abort();
  await settle();
  expect(signal?.aborted).toBe(true);
  expect(over).toBe(false);
  gates[0]?.();
  await ended;
  expect(handle).toHaveBeenCalledTimes(1);
  // That it was stopped is no failure.
  expect(errors).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);

  const again = new AbortController();
  const second = queue.run(again.signal);
  for (let i = 0; i < 3; i += 1) {
    await settle();
    gates.at(-1)?.();
  }
  again.abort();
  await second;
  expect(handle.mock.calls.map(([key]) => key).toSorted()).toEqual(["a", "a", "b", "c"]);
});

test("one queue does not run twice at once", async () => {
  const { queue } = start(async () => {});
  await expect(queue.run(new AbortController().signal)).rejects.toThrow("running already");
});

test("it ends where it was over before it began", async () => {
  const queue = new WorkQueue({ concurrency: 1, handle: async () => {} });
  queue.add("a");
  await queue.run(AbortSignal.abort());
  expect(queue.depth).toBe(1);
});

/** What tests of many sequences do to a queue. */
const keys = fc.constantFrom("a", "b", "c", "d", "e");
const steps = fc.oneof(
  fc.record({ add: keys }),
  fc.record({ after: keys, seconds: fc.integer({ min: 0, max: 30 }) }),
  fc.record({ pass: fc.integer({ min: 0, max: 10 }) }),
  fc.record({ restart: fc.constant(true) }),
);
const outcome = fc.record({
  seconds: fc.integer({ min: 0, max: 5 }),
  result: fc.constantFrom("done", "fail", "conflict", "throttled"),
});

test("whatever happens: no key twice at once, nothing lost, nothing starves", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(steps, { maxLength: 40 }),
      fc.array(outcome, { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 1, max: 3 }),
      async (sequence, outcomes, concurrency) => {
        const running = new Set<string>();
        /** Keys whose last change no handler has begun to look at. */
        const dirty = new Set<string>();
        /** Keys whose last look has failed. */
        const failed = new Set<string>();
        const waiting = new Map<string, number>();
        let worst = 0;
        let looks = 0;
        const queue = new WorkQueue({
          concurrency,
          handle: async (key) => {
            expect(running).not.toContain(key);
            running.add(key);
            expect(running.size).toBeLessThanOrEqual(concurrency);
            worst = Math.max(worst, looks - (waiting.get(key) ?? looks));
            waiting.delete(key);
            dirty.delete(key);
            looks += 1;
            const { seconds, result } = outcomes[looks] ?? { seconds: 0, result: "done" };
            if (seconds > 0) await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
            running.delete(key);
            failed.add(key);
            if (result === "fail") throw new Error("no");
            if (result === "conflict") throw new ApiError("x", 409, { reason: "Conflict" });
            if (result === "throttled") throw new ApiError("x", 429, {}, 3);
            failed.delete(key);
          },
        });
        let stop = new AbortController();
        let ended = queue.run(stop.signal);
        const change = (key: string): void => {
          dirty.add(key);
          if (!waiting.has(key)) waiting.set(key, looks);
        };
        for (const step of sequence) {
          if ("add" in step) {
            change(step.add);
            queue.add(step.add);
          } else if ("after" in step) {
            dirty.add(step.after);
            queue.addAfter(step.after, step.seconds);
          } else if ("pass" in step) {
            await pass(step.pass);
          } else {
            stop.abort();
            await vi.runAllTimersAsync();
            await ended;
            waiting.clear();
            stop = new AbortController();
            ended = queue.run(stop.signal);
          }
        }
        await pass(3600);
        expect([...dirty]).toEqual([]);
        expect([...failed]).toEqual([]);
        // Five keys, and each may have come back once before.
        expect(worst).toBeLessThanOrEqual(10);
        stop.abort();
        await ended;
        expect(vi.getTimerCount()).toBe(0);
      },
    ),
    { numRuns: 300 },
  );
});
