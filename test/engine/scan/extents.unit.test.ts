/** The arithmetic of extents against a model that looks at every single byte. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Extent } from "../../../src/engine/image/reader.ts";
import { join, pieces, sharedExtents, subtract } from "../../../src/engine/scan/extents.ts";
import type { PhysicalExtent } from "../../../src/engine/system/libc.ts";

const SPAN = 256;
const RUNS = { numRuns: 1000 };

/** Any extents, in any order, empty and overlapping ones too. */
const loose = fc.array(
  fc
    .tuple(fc.integer({ min: 0, max: SPAN }), fc.integer({ min: 0, max: SPAN }))
    .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) })),
  { maxLength: 8 },
);

/** In order and apart; some touch. */
const ordered = fc
  .uniqueArray(fc.integer({ min: 0, max: SPAN }), { maxLength: 14 })
  .chain((numbers) => {
    const cuts = numbers.toSorted((a, b) => a - b);
    return fc.tuple(
      fc.constant(cuts),
      fc.array(fc.boolean(), { minLength: cuts.length, maxLength: cuts.length }),
    );
  })
  .map(([cuts, kept]) =>
    cuts.slice(1).flatMap((end, index) => {
      const start = cuts[index] ?? 0;
      return kept[index] === true ? [{ start, end }] : [];
    }),
  );

const bytesOf = (extents: readonly Extent[]): Set<number> =>
  new Set(
    extents.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, at) => start + at)),
  );

function expectInOrder(extents: readonly Extent[], gap: number): void {
  for (const [index, { start, end }] of extents.entries()) {
    expect(end).toBeGreaterThan(start);
    expect(start).toBeGreaterThanOrEqual((extents[index - 1]?.end ?? -gap) + gap);
  }
}

test("join covers the same bytes, in order and apart", () => {
  const property = fc.property(loose, (extents) => {
    const joined = join(extents);
    expectInOrder(joined, 1);
    expect(bytesOf(joined)).toEqual(bytesOf(extents));
  });
  fc.assert(property, RUNS);
});

test("subtract leaves the bytes of the first that are not in the second", () => {
  const property = fc.property(ordered, ordered, (from, without) => {
    const left = subtract(from, without);
    expectInOrder(left, 0);
    const taken = bytesOf(without);
    const kept = [...bytesOf(from)].filter((byte) => !taken.has(byte));
    expect(bytesOf(left)).toEqual(new Set(kept));
  });
  fc.assert(property, RUNS);
});

test("pieces are the clusters in which a byte may differ, with the sides that have data", () => {
  const property = fc.property(
    ordered,
    ordered,
    ordered,
    fc.constantFrom(1, 4, 16, 64),
    fc.integer({ min: 1, max: 5 }),
    (base, modified, same, clusterSize, clustersAtOnce) => {
      const maxBytes = clusterSize * clustersAtOnce;
      const found = pieces(base, modified, same, clusterSize, maxBytes);
      expectInOrder(found, 0);
      const [inBase, inModified, known] = [bytesOf(base), bytesOf(modified), bytesOf(same)];
      const wanted = [...inBase, ...inModified].filter((byte) => !known.has(byte));
      const clusters = new Set(wanted.map((byte) => Math.floor(byte / clusterSize)));
      const all = Array.from({ length: SPAN / clusterSize }, (_, cluster) => cluster);
      expect(bytesOf(found)).toEqual(
        bytesOf(
          all
            .filter((cluster) => clusters.has(cluster))
            .map((cluster) => ({ start: cluster * clusterSize, end: (cluster + 1) * clusterSize })),
        ),
      );
      for (const piece of found) {
        expect(piece.start % clusterSize).toBe(0);
        expect(piece.end - piece.start).toBeLessThanOrEqual(maxBytes);
        const bytes = [...bytesOf([piece])];
        // Where a side is said to have none, it must have none: not even what is the same.
        expect(piece.baseHasData).toBe(bytes.some((byte) => inBase.has(byte)));
        expect(piece.modifiedHasData).toBe(bytes.some((byte) => inModified.has(byte)));
      }
    },
  );
  fc.assert(property, RUNS);
});

/** FIEMAP_EXTENT_* of linux/fiemap.h. */
const Flag = { last: 0x1, unknown: 0x2, delayed: 0x4, unwritten: 0x800, shared: 0x2000 };

const physical: fc.Arbitrary<PhysicalExtent[]> = ordered.chain((extents) =>
  fc.tuple(
    ...extents.map(({ start, end }) =>
      fc.record({
        logical: fc.constant(start),
        length: fc.constant(end - start),
        // Few places, so that the same ones meet often.
        physical: fc
          .constantFrom(0, 0, 0, 1, 64)
          .map((distance) => BigInt(start) + 1000n + BigInt(distance)),
        flags: fc.constantFrom(
          Flag.shared,
          Flag.shared,
          Flag.shared | Flag.last,
          0,
          Flag.shared | Flag.unknown,
          Flag.shared | Flag.delayed,
          Flag.shared | Flag.unwritten,
        ),
      }),
    ),
  ),
);

/** Where each byte lies on storage, of those that are shared beyond doubt. */
function places(extents: readonly PhysicalExtent[]): Map<number, bigint> {
  const certain = new Set([Flag.shared, Flag.shared | Flag.last]);
  return new Map(
    extents
      .filter(({ flags }) => certain.has(flags))
      .flatMap((extent) =>
        Array.from({ length: extent.length }, (_, at): [number, bigint] => [
          extent.logical + at,
          extent.physical + BigInt(at),
        ]),
      ),
  );
}

test("shared extents are the bytes that both files have at the same place, beyond doubt", () => {
  const property = fc.property(physical, physical, (a, b) => {
    const [left, right] = [places(a), places(b)];
    const shared = [...left].filter(([byte, place]) => right.get(byte) === place);
    const found = sharedExtents(a, b);
    expectInOrder(found, 1);
    expect(bytesOf(found)).toEqual(new Set(shared.map(([byte]) => byte)));
  });
  fc.assert(property, RUNS);
});
