/** Which Estimate speaks for the overlay that a resource asks for. */
import { expect, test } from "vitest";
import type { ImageDiff } from "../../../src/api/resource.ts";
import { Store } from "../../../src/kube/store.ts";
import type { Caches } from "../../../src/operator/observe/caches.ts";
import { finishedEstimate } from "../../../src/operator/observe/estimates.ts";
import { imageDiffIndexes } from "../../../src/operator/observe/indexes.ts";
import type { StoredImageDiff } from "../../../src/operator/resources.ts";

const spec = {
  base: { claimName: "golden", path: "disk.img", format: "raw" },
  modified: { claimName: "root", path: "disk.img", format: "raw" },
  output: { claimName: "thin" },
} as const;
const asking = { metadata: { name: "web-01", namespace: "vms" }, spec } as unknown as ImageDiff;

function estimate(name: string, completionTime: string, fileSizeBytes: number): StoredImageDiff {
  return {
    metadata: { name, namespace: "vms", uid: name },
    spec: { ...spec, mode: "Estimate" },
    status: { phase: "Succeeded", completionTime, output: { format: "qcow2", fileSizeBytes } },
  } as StoredImageDiff;
}

test("it is the newest of those that are done, in whatever order they are kept", () => {
  const old = estimate("old", "2026-01-02T03:04:05Z", 50);
  const newer = estimate("newer", "2026-01-02T03:05:05Z", 5);
  for (const estimates of [
    [old, newer],
    [newer, old],
  ]) {
    const imageDiffs = new Store<StoredImageDiff>(imageDiffIndexes);
    imageDiffs.replaceAll(estimates);
    const found = finishedEstimate({ imageDiffs } as unknown as Caches, asking);
    expect(found).toEqual({ imageDiff: "newer", bytes: 5 });
  }
});

test("it is about the same images and the same kind of overlay", () => {
  const other = estimate("other", "2026-01-02T03:04:05Z", 50);
  const imageDiffs = new Store<StoredImageDiff>(imageDiffIndexes);
  imageDiffs.replaceAll([
    { ...other, spec: { ...other.spec, output: { claimName: "thin", compression: "Zstd" } } },
  ] as StoredImageDiff[]);
  expect(finishedEstimate({ imageDiffs } as unknown as Caches, asking)).toBeUndefined();
});
