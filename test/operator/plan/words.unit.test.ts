import { expect, test } from "vitest";
import { ImageDiffStatus } from "../../../src/api/status.ts";
import { savingsSummary } from "../../../src/operator/plan/words.ts";

test.each([
  [1_503_238_554, 93, "1.4 GiB (93%)"],
  [1_073_741_824, 100, "1 GiB (100%)"],
  [0, 0, "0 B (0%)"],
  [-196_608, -4, "-192 KiB (-4%)"],
])("%d bytes and %d percent are told as %s", (savedBytes, percent, summary) => {
  expect(savingsSummary({ savedBytes, percent })).toBe(summary);
});

test.each([Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER])("%d fits the status", (extreme) => {
  const savings = {
    modifiedAllocatedBytes: 0,
    overlayAllocatedBytes: 0,
    savedBytes: extreme,
    percent: extreme,
    summary: savingsSummary({ savedBytes: extreme, percent: extreme }),
  };
  expect(ImageDiffStatus.parse({ savings })).toEqual({ savings });
});
