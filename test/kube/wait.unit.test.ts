import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { microTime } from "../../src/kube/micro-time.ts";
import { Deadline, wait } from "../../src/kube/wait.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a wait is as long as it says, or until the signal", async () => {
  const stop = new AbortController();
  let done = false;
  void wait(10, stop.signal).then(() => (done = true));
  await vi.advanceTimersByTimeAsync(9999);
  expect(done).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(done).toBe(true);
  const waiting = wait(10, stop.signal);
  stop.abort();
  await waiting;
  await wait(10, stop.signal);
  expect(vi.getTimerCount()).toBe(0);
});

test("a deadline aborts with its own reason, at the time that was set last", () => {
  const deadline = new Deadline(undefined);
  deadline.set(5, () => new Error("first"));
  vi.advanceTimersByTime(4000);
  deadline.set(5, () => new Error("second"));
  vi.advanceTimersByTime(4999);
  expect(deadline.signal.aborted).toBe(false);
  vi.advanceTimersByTime(1);
  expect(deadline.signal.reason).toEqual(new Error("second"));
});

test("a deadline aborts with its parent, and no more after it is over", () => {
  const parent = new AbortController();
  const open = new Deadline(parent.signal);
  const over = new Deadline(parent.signal);
  over.set(5, () => new Error("too late"));
  over[Symbol.dispose]();
  const reason = new Error("enough");
  parent.abort(reason);
  vi.advanceTimersByTime(10_000);
  expect(open.signal.reason).toBe(reason);
  expect(over.signal.aborted).toBe(false);
  expect(new Deadline(parent.signal).signal.reason).toBe(reason);
  expect(vi.getTimerCount()).toBe(0);
});

test("moments have six digits, as Go wants them", () => {
  expect(microTime(new Date(0))).toBe("1970-01-01T00:00:00.000000Z");
  expect(microTime(new Date(1234))).toBe("1970-01-01T00:00:01.234000Z");
});
