/** The overlay holds what differs and nothing else, as QEMU sees it. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { runDiff } from "../support/engine.ts";
import { testFolder } from "../support/folder.ts";
import { naiveStates, type State } from "../support/naive.ts";
import { mapOf } from "../support/qemu.ts";
import { edit, makeRaw } from "../support/raw-image.ts";
import { anyOverlay, anyPair, makePair, optionsOf, type Overlay } from "./pairs.ts";

const MIB = 2 ** 20;

/** What the overlay holds of each cluster or subcluster of `unit` bytes. */
async function heldStates(overlay: string, unit: number, size: number): Promise<State[]> {
  const states: State[] = Array.from({ length: Math.ceil(size / unit) }, () => "same");
  for (const { start, length, depth, data } of await mapOf(overlay, "qcow2")) {
    if (depth !== 0) continue;
    expect(start % unit, `${start} is where a unit of ${unit} begins`).toBe(0);
    states.fill(data ? "data" : "zero", start / unit, Math.ceil((start + length) / unit));
  }
  return states;
}

function unitOf({ clusterSize, extendedL2 }: Overlay): number {
  return extendedL2 ? clusterSize / 32 : clusterSize;
}

// With compression, a cluster of which any subcluster changed is stored whole.
const plainOverlay = anyOverlay.map((overlay) => ({ ...overlay, compression: "none" as const }));

test("of any pair, exactly the changed clusters are held", { timeout: 300_000 }, async () => {
  const parent = testFolder();
  let count = 0;
  const sizes = fc.oneof(fc.integer({ min: 1, max: 6 * MIB }), fc.constantFrom(512, 6 * MIB));
  const property = fc.asyncProperty(
    plainOverlay.chain((overlay) => fc.tuple(fc.constant(overlay), anyPair(overlay, sizes))),
    async ([overlay, pair]) => {
      const folder = join(parent, `${count++}`);
      mkdirSync(folder);
      const [base, modified] = [join(folder, "base"), join(folder, "modified")];
      const output = join(folder, "overlay");
      makePair(pair, base, modified);
      await runDiff({ base, modified, output, options: optionsOf(overlay) });
      const held = await heldStates(output, unitOf(overlay), pair.size);
      expect(held).toEqual(naiveStates(base, modified, unitOf(overlay)));
      rmSync(folder, { recursive: true });
    },
  );
  await fc.assert(property, { numRuns: 60 });
});

const CLUSTER = 65536;

/** One state of a cluster on either side. */
const contents = {
  hole: [],
  zero: [{ start: 0, length: CLUSTER, fill: "zero", seed: 0 }],
  data: [{ start: 0, length: CLUSTER, fill: "noise", seed: 1 }],
  other: [{ start: 0, length: CLUSTER, fill: "noise", seed: 2 }],
  "first byte": [{ start: 0, length: 1, fill: "noise", seed: 1 }],
  "last byte": [{ start: CLUSTER - 1, length: 1, fill: "noise", seed: 1 }],
} as const;
type Content = keyof typeof contents;

const isEmpty = (content: Content): boolean => content === "hole" || content === "zero";

function expectedState(base: Content, modified: Content): State {
  if (base === modified || (isEmpty(base) && isEmpty(modified))) return "same";
  return isEmpty(modified) ? "zero" : "data";
}

test.each(["none", "zlib", "zstd"])(
  "each state of a cluster over each other one, compression %s",
  async (compression) => {
    const folder = testFolder();
    const names = Object.keys(contents) as Content[];
    const pairs = names.flatMap((base) => names.map((modified) => ({ base, modified })));
    // Each pair stands between two clusters that are the same.
    const size = (2 * pairs.length + 1) * CLUSTER - 100;
    const [base, modified] = [join(folder, "base"), join(folder, "modified")];
    makeRaw(base, size);
    makeRaw(modified, size);
    for (const [index, pair] of pairs.entries()) {
      const at = (content: Content) =>
        contents[content].map((stretch) => ({
          ...stretch,
          start: stretch.start + (2 * index + 1) * CLUSTER,
        }));
      edit(base, size, at(pair.base));
      edit(modified, size, at(pair.modified));
    }
    const output = join(folder, "overlay");
    const compressed = compression !== "none";
    const options = compressed ? `compression_type=${compression}` : "";
    await runDiff({ base, modified, output, options, compressed });
    const held = await heldStates(output, CLUSTER, size);
    const told = pairs.map((pair, index) => ({ ...pair, state: held[2 * index + 1] }));
    expect(told).toEqual(
      pairs.map((pair) => ({ ...pair, state: expectedState(pair.base, pair.modified) })),
    );
    const between = held.filter((_, index) => index % 2 === 0);
    expect(new Set(between)).toEqual(new Set(["same"]));
  },
);
