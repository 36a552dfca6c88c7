import { expect, test } from "vitest";
import { Backoff } from "../../src/kube/backoff.ts";

function make(random: number, jitter = 0.1): Backoff {
  return new Backoff({ firstSeconds: 1, maxSeconds: 60, jitter, random: () => random });
}

test("waits double up to the longest, and begin anew after a success", () => {
  const backoff = make(0.5);
  const waits = Array.from({ length: 8 }, () => backoff.next());
  expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
  expect(backoff.failures).toBe(8);
  backoff.reset();
  expect(backoff.next()).toBe(1);
});

test("jitter makes a wait shorter or longer by its part", () => {
  expect(make(0).next()).toBeCloseTo(0.9);
  expect(make(1).next()).toBeCloseTo(1.1);
  expect(make(0, 0.5).next()).toBeCloseTo(0.5);
});

test("a server that asks for more gets more, but not a day", () => {
  expect(make(0.5).next(7)).toBe(7);
  expect(make(0.5).next(0.1)).toBe(1);
  expect(make(0.5).next(86_400)).toBe(300);
});

test("a thousand failures still make a number", () => {
  const backoff = make(0.5);
  for (let i = 0; i < 2000; i += 1) backoff.next();
  expect(backoff.next()).toBe(60);
});
