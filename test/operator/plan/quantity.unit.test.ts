import { expect, test } from "vitest";
import { quantityValue } from "../../../src/operator/plan/quantity.ts";

test.each([
  ["2", 2],
  [3, 3],
  ["+1.5", 1.5],
  [".5", 0.5],
  ["5.", 5],
  ["250m", 0.25],
  ["1u", 1e-6],
  ["1n", 1e-9],
  ["1k", 1000],
  ["1M", 1e6],
  ["1G", 1e9],
  ["1T", 1e12],
  ["1P", 1e15],
  ["1E", 1e18],
  ["1Ki", 1024],
  ["1.5Mi", 1.5 * 1024 ** 2],
  ["2Gi", 2 * 1024 ** 3],
  ["1Ti", 1024 ** 4],
  ["1Pi", 1024 ** 5],
  ["1Ei", 1024 ** 6],
  ["1e3", 1000],
  ["1E-2", 0.01],
])("%s is %d", (quantity, value) => {
  expect(quantityValue(quantity)).toBeCloseTo(value, 12);
});

test.each([undefined, "", "x", "1Kib", "1 Gi", "Gi", ".", "0x10", "1e"])("%s is none", (text) => {
  expect(quantityValue(text)).toBeNaN();
});
