import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { TokenBuckets } from "../../src/kube/token-buckets.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function taken(buckets: TokenBuckets, key: string, times: number): number {
  return Array.from({ length: times }, () => buckets.take(key)).filter(Boolean).length;
}

test("so many at once, then one in a while, each key by itself", () => {
  const buckets = new TokenBuckets({ burst: 3, refillSeconds: 10, most: 10 });
  expect(taken(buckets, "a", 9)).toBe(3);
  expect(taken(buckets, "b", 9)).toBe(3);
  vi.advanceTimersByTime(9000);
  expect(taken(buckets, "a", 9)).toBe(0);
  vi.advanceTimersByTime(1000);
  expect(taken(buckets, "a", 9)).toBe(1);
  vi.advanceTimersByTime(3_600_000);
  expect(taken(buckets, "a", 9)).toBe(3);
});

test("keys that are asked for all the time are refilled all the same", () => {
  const buckets = new TokenBuckets({ burst: 1, refillSeconds: 10, most: 10 });
  let allowed = 0;
  for (let second = 0; second < 100; second += 1) {
    allowed += taken(buckets, "a", 1);
    vi.advanceTimersByTime(1000);
  }
  expect(allowed).toBe(10);
});

test("the key that was longest unused is forgotten first", () => {
  const buckets = new TokenBuckets({ burst: 1, refillSeconds: 10, most: 2 });
  expect(["a", "b", "a", "c", "a", "b"].map((key) => buckets.take(key))).toEqual([
    true,
    true,
    false,
    true,
    false,
    true,
  ]);
});
