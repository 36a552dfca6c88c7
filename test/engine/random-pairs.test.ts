/** Any pair of raw images, any options: QEMU finds the overlay clean and reads modified from it. */
import { createHash } from "node:crypto";
import { createReadStream, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { restore } from "../../src/engine/restore.ts";
import type { OverlayResult } from "../../src/report/schema.ts";
import { runDiff } from "../support/engine.ts";
import { testFolder } from "../support/folder.ts";
import { bytesIn, naiveStates } from "../support/naive.ts";
import { expectClean, expectIdentical } from "../support/qemu.ts";
import {
  anyOverlay,
  anyPair,
  bigSizes,
  makePair,
  optionsOf,
  smallSizes,
  type Overlay,
  type Pair,
} from "./pairs.ts";

const MINUTES = 60_000;

/** Reading both images the naive way is quick enough up to here. */
const NAIVE_BYTES = 8 * 2 ** 20;

interface Case {
  readonly overlay: Overlay;
  readonly pair: Pair;
  readonly workers: number;
  readonly restored: boolean;
}

function anyCase(sizes: fc.Arbitrary<number>): fc.Arbitrary<Case> {
  return anyOverlay.chain((overlay) =>
    fc.record({
      overlay: fc.constant(overlay),
      pair: anyPair(overlay, sizes),
      workers: fc.constantFrom(1, 1, 2, 2, 7),
      restored: fc.integer({ min: 0, max: 9 }).map((number) => number === 0),
    }),
  );
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

const stamp = (path: string): object => {
  const { size, mtimeNs, ctimeNs, ino } = statSync(path, { bigint: true });
  return { size, mtimeNs, ctimeNs, ino };
};

async function expectRestored(overlay: string, modified: string, folder: string): Promise<void> {
  const path = join(folder, "restored");
  await restore(
    {
      overlay,
      output: { path, existing: "Refuse" },
      format: "raw",
      volumes: [],
    },
    { signal: new AbortController().signal, onProgress: () => undefined },
  );
  expect(statSync(path).size).toBe(statSync(modified).size);
  expect(await hashOf(path)).toBe(await hashOf(modified));
}

function expectFigures(
  result: OverlayResult,
  { overlay, pair }: Case,
  base: string,
  modified: string,
): void {
  const { dataBytes, zeroBytes, identicalBytes } = result.changes;
  const virtualSize = Math.ceil(pair.size / 512) * 512;
  expect(result.output.virtualSizeBytes).toBe(virtualSize);
  expect(dataBytes + zeroBytes + identicalBytes).toBe(virtualSize);
  // Compressed clusters are whole ones, though only some of their subclusters changed.
  if (pair.size > NAIVE_BYTES || (overlay.extendedL2 && overlay.compression !== "none")) return;
  const unit = overlay.extendedL2 ? overlay.clusterSize / 32 : overlay.clusterSize;
  const states = naiveStates(base, modified, unit);
  expect({ dataBytes, zeroBytes }).toEqual({
    dataBytes: bytesIn(states, "data", unit, virtualSize),
    zeroBytes: bytesIn(states, "zero", unit, virtualSize),
  });
}

async function expectRight(tested: Case, folder: string): Promise<void> {
  const { overlay, pair, workers } = tested;
  const [base, modified, output] = [join(folder, "base"), join(folder, "mod"), join(folder, "out")];
  makePair(pair, base, modified);
  const before = [stamp(base), stamp(modified)];
  const diff = {
    base,
    modified,
    options: optionsOf(overlay),
    compressed: overlay.compression !== "none",
    workers,
  };

  const result = await runDiff({ ...diff, output });
  await expectClean(output);
  await expectIdentical({ path: output, format: "qcow2" }, { path: modified, format: "raw" });
  expect(result.output.fileSizeBytes).toBe(statSync(output).size);
  expectFigures(result, tested, base, modified);
  if (tested.restored) await expectRestored(output, modified, folder);

  const estimate = await runDiff(diff);
  expect(estimate.output.fileSizeBytes).toBe(statSync(output).size);
  expect(estimate.changes).toEqual(result.changes);

  expect([stamp(base), stamp(modified)]).toEqual(before);
  const expected = ["base", "mod", "out", ...(tested.restored ? ["restored"] : [])];
  expect(readdirSync(folder).toSorted()).toEqual(expected);
}

test.each([
  { name: "small images", sizes: smallSizes, runs: 240 },
  { name: "large sparse images", sizes: bigSizes, runs: 80 },
])(
  "$name",
  async ({ sizes, runs }) => {
    const parent = testFolder();
    let count = 0;
    await fc.assert(
      fc.asyncProperty(anyCase(sizes), async (tested) => {
        const folder = join(parent, `${count++}`);
        mkdirSync(folder);
        try {
          await expectRight(tested, folder);
        } finally {
          rmSync(folder, { recursive: true });
        }
      }),
      { numRuns: runs },
    );
  },
  10 * MINUTES,
);
