/** Random pairs of images and random overlays for them. */
import * as fc from "fast-check";
import { makeRaw, edit, type Fill, type Stretch } from "../support/raw-image.ts";

export interface Overlay {
  readonly clusterSize: number;
  readonly compression: "none" | "zlib" | "zstd";
  readonly extendedL2: boolean;
  readonly refcountBits: number;
  readonly lazyRefcounts: boolean;
}

export interface Pair {
  readonly size: number;
  readonly base: readonly Stretch[];
  /** Whether modified stores as zeroes what base leaves as holes, and the other way round. */
  readonly swapped: boolean;
  readonly edits: readonly Stretch[];
}

const KIB = 1024;
const MIB = 1024 * KIB;
const refcountBits = [1, 2, 4, 8, 16, 32, 64];

export const anyOverlay: fc.Arbitrary<Overlay> = fc
  .record({
    clusterBits: fc.integer({ min: 9, max: 21 }),
    compression: fc.constantFrom("none", "none", "zlib", "zstd"),
    extendedL2: fc.boolean(),
    refcountBits: fc.constantFrom(...refcountBits),
    lazyRefcounts: fc.boolean(),
  })
  .map(({ clusterBits, extendedL2, ...rest }) => ({
    ...rest,
    clusterSize: 2 ** clusterBits,
    extendedL2: extendedL2 && clusterBits >= 14,
  }));

/** As with -o. */
export function optionsOf(overlay: Overlay): string {
  return [
    `cluster_size=${overlay.clusterSize}`,
    `compression_type=${overlay.compression === "zstd" ? "zstd" : "zlib"}`,
    `extended_l2=${overlay.extendedL2 ? "on" : "off"}`,
    `refcount_bits=${overlay.refcountBits}`,
    `lazy_refcounts=${overlay.lazyRefcounts ? "on" : "off"}`,
  ].join(",");
}

/** The offsets where something begins or ends for such an overlay of a disk of `size` bytes. */
function borders({ clusterSize, extendedL2 }: Overlay, size: number): fc.Arbitrary<number> {
  const reach = clusterSize * (clusterSize / (extendedL2 ? 16 : 8));
  const units = [512, 4 * KIB, 256 * KIB, 4 * MIB, clusterSize, reach];
  if (extendedL2) units.push(clusterSize / 32);
  const multiples = units.map((unit) =>
    fc.integer({ min: 0, max: Math.floor(size / unit) }).map((count) => count * unit),
  );
  return fc.oneof(fc.constantFrom(0, size), ...multiples);
}

function stretches(
  overlay: Overlay,
  size: number,
  fills: readonly Fill[],
  most: { count: number; length: number },
): fc.Arbitrary<Stretch[]> {
  const stretch = fc
    .record({
      border: borders(overlay, size),
      delta: fc.oneof(fc.constantFrom(0, 0, 1, -1), fc.integer({ min: -5000, max: 5000 })),
      length: fc.oneof(
        fc.constantFrom(1, 512, overlay.clusterSize, 2 * overlay.clusterSize + 1),
        fc.integer({ min: 1, max: most.length }),
      ),
      fill: fc.constantFrom(...fills),
      seed: fc.integer({ min: 0, max: 1000 }),
    })
    .map(({ border, delta, ...rest }) => ({
      ...rest,
      start: Math.max(0, Math.min(border + delta, size - 1)),
    }));
  return fc.array(stretch, { maxLength: size === 0 ? 0 : most.count });
}

/** A pair for the overlay, of one of the sizes. */
export function anyPair(overlay: Overlay, sizes: fc.Arbitrary<number>): fc.Arbitrary<Pair> {
  return sizes.chain((size) =>
    fc.record({
      size: fc.constant(size),
      swapped: fc.boolean(),
      base: stretches(overlay, size, ["noise", "text", "zero", "hole"], {
        count: 6,
        length: 2 * MIB,
      }),
      edits: stretches(overlay, size, ["noise", "text", "speck", "speck", "zero", "hole"], {
        count: 8,
        length: 512 * KIB,
      }),
    }),
  );
}

export const smallSizes: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(0, 1, 511, 512, 513, 1023),
  fc.integer({ min: 1, max: 8 * MIB }),
  fc.integer({ min: 1, max: 2 * KIB }).map((count) => count * 4 * KIB),
  fc.constantFrom(4 * MIB, 4 * MIB - 512, 4 * MIB + 1, 8 * MIB),
);

/** Sparse ones: they span many L2 tables, also of large clusters. */
export const bigSizes: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: 8 * MIB, max: 300 * MIB }),
  fc.integer({ min: 8 * KIB, max: 300 * KIB }).map((count) => count * KIB),
);

export function makePair(pair: Pair, base: string, modified: string): void {
  const other = (fill: Fill): Fill => (fill === "hole" ? "zero" : fill === "zero" ? "hole" : fill);
  makeRaw(base, pair.size, pair.base);
  const copied = pair.swapped
    ? pair.base.map((stretch) => ({ ...stretch, fill: other(stretch.fill) }))
    : pair.base;
  makeRaw(modified, pair.size, copied);
  edit(modified, pair.size, pair.edits);
}
