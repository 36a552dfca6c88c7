/** What the figures of a resource that has come to its end count as. */
import { expect, test } from "vitest";
import type { ImageDiffStatus } from "../../src/api/status.ts";
import { Metrics } from "../../src/operator/metrics.ts";

const savings = { modifiedAllocatedBytes: 100, overlayAllocatedBytes: 30, savedBytes: 70 };
const end = { phase: "Succeeded", completionTime: "2026-01-02T03:04:05Z", savings } as const;
const output = { format: "qcow2", virtualSizeBytes: 1000 } as const;
const written = { ...end, output: { ...output, claimName: "thin" } } as ImageDiffStatus;
const estimated = { ...end, output } as ImageDiffStatus;

async function counted(before: ImageDiffStatus, after: ImageDiffStatus): Promise<number[]> {
  const none = { queueDepth: () => 0, leading: () => true, imageDiffs: () => [] };
  const metrics = new Metrics(none);
  metrics.statusWritten(before, after);
  const text = await metrics.registry.metrics();
  return ["saved", "scanned"].map((what) =>
    Number(new RegExp(`^imagediff_${what}_bytes_total (\\d+)$`, "m").exec(text)?.[1]),
  );
}

test("an overlay saves, once", async () => {
  expect(await counted({}, written)).toEqual([70, 1000]);
  expect(await counted(written, written)).toEqual([0, 0]);
});

test("an Estimate has read the images, and saves nothing", async () => {
  expect(await counted({}, estimated)).toEqual([0, 1000]);
});
