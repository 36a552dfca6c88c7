/** Where everything goes in the overlay file, against a model that keeps account of every byte. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { HostClusters } from "../../../src/engine/overlay/host-clusters.ts";

interface Region {
  readonly start: number;
  readonly end: number;
}

/** A step is a whole cluster, or so many bytes of compressed data. */
type Step = "cluster" | number;

interface Layout {
  readonly file: Buffer;
  /** Everything that takes space, but for the refcount blocks. */
  readonly regions: Region[];
  readonly tableOffset: number;
  readonly tableClusters: number;
}

function layOut(clusterSize: number, bits: number, steps: readonly Step[], l1: Buffer): Layout {
  const writes: Array<{ bytes: Buffer; offset: number }> = [];
  const clusters = new HostClusters(clusterSize, bits, (bytes, offset) =>
    writes.push({ bytes: Buffer.from(bytes), offset }),
  );
  const regions = [{ start: 0, end: clusterSize }];
  for (const step of steps) {
    const start = step === "cluster" ? clusters.allocate() : clusters.allocateBytes(step);
    regions.push({ start, end: start + (step === "cluster" ? clusterSize : step) });
  }
  const tables = clusters.finish(l1);
  const { l1TableOffset, refcountTableOffset: tableOffset, fileSize } = tables;
  const tableClusters = tables.refcountTableClusters;
  regions.push({ start: tableOffset, end: tableOffset + tableClusters * clusterSize });
  if (l1.length > 0) regions.push({ start: l1TableOffset, end: l1TableOffset + l1.length });

  const last = Math.max(...[...regions, { end: fileSize }].map(({ end }) => end));
  expect(fileSize).toBe(last);
  const file = Buffer.alloc(Math.ceil(last / clusterSize) * clusterSize);
  const written = new Set<number>();
  for (const { bytes, offset } of writes) {
    expect(offset % clusterSize).toBe(0);
    expect(written.has(offset), `${offset} is written twice`).toBe(false);
    written.add(offset);
    bytes.copy(file, offset);
  }
  expect(file.subarray(l1TableOffset, l1TableOffset + l1.length)).toEqual(l1);
  return { file, regions, tableOffset, tableClusters };
}

/** The refcount of a cluster by docs/interop/qcow2, and the regions of all refcount blocks. */
function readRefcounts(layout: Layout, clusterSize: number, bits: number) {
  const { file, tableOffset, tableClusters } = layout;
  const range = (clusterSize * 8) / bits;
  const table = file.subarray(tableOffset, tableOffset + tableClusters * clusterSize);
  const offsets = Array.from({ length: table.length / 8 }, (_, index) =>
    Number(table.readBigUInt64BE(index * 8)),
  );
  const refcount = (cluster: number): number => {
    const block = offsets[Math.floor(cluster / range)] ?? 0;
    if (block === 0) return 0;
    const index = cluster % range;
    if (bits >= 8) {
      const at = block + (index * bits) / 8;
      return Number(BigInt(`0x${file.toString("hex", at, at + bits / 8)}`));
    }
    const byte = file[block + Math.floor((index * bits) / 8)] ?? 0;
    return (byte >> ((index * bits) % 8)) & (2 ** bits - 1);
  };
  const blocks = offsets
    .filter((offset) => offset !== 0)
    .map((start) => ({ start, end: start + clusterSize }));
  return { refcount, blocks };
}

const anyRefcountBits = fc.constantFrom(1, 2, 4, 8, 16, 32, 64);

function anySteps(clusterSize: number, maxLength: number): fc.Arbitrary<Step[]> {
  const some = fc.integer({ min: 1, max: clusterSize - 1 });
  // Long runs of one kind, so that refcount blocks fill up and counts reach their maximum.
  const run = fc
    .tuple(
      fc.oneof(fc.constant<Step>("cluster"), some, fc.integer({ min: 1, max: 20 })),
      fc.integer({ min: 1, max: 300 }),
    )
    .map(([step, count]) => Array.from({ length: count }, () => step));
  const mixed = fc.array(fc.oneof(fc.constant<Step>("cluster"), some), { maxLength: 40 });
  return fc.array(fc.oneof(run, mixed), { maxLength }).map((runs) => runs.flat());
}

function expectConsistent(clusterSize: number, bits: number, all: Step[], l1: Buffer): void {
  const layout = layOut(clusterSize, bits, all, l1);
  const { refcount, blocks } = readRefcounts(layout, clusterSize, bits);
  const regions = [...layout.regions, ...blocks].toSorted((a, b) => a.start - b.start);
  const references = new Map<number, number>();
  for (const [index, { start, end }] of regions.entries()) {
    expect(start, "nothing overlaps").toBeGreaterThanOrEqual(regions[index - 1]?.end ?? 0);
    const [from, to] = [Math.floor(start / clusterSize), Math.ceil(end / clusterSize)];
    for (let cluster = from; cluster < to; cluster++)
      references.set(cluster, (references.get(cluster) ?? 0) + 1);
  }
  const total = layout.file.length / clusterSize;
  const counted = Array.from({ length: total + 8 }, (_, cluster) => refcount(cluster));
  const expected = Array.from({ length: total + 8 }, (_, cluster) => references.get(cluster) ?? 0);
  expect(counted).toEqual(expected);
}

test.each([
  { clusterSize: 512, most: 12, numRuns: 300 },
  { clusterSize: 4096, most: 6, numRuns: 60 },
  { clusterSize: 65536, most: 2, numRuns: 20 },
])(
  "nothing overlaps and every reference is counted, clusters of $clusterSize",
  ({ clusterSize, most, numRuns }) => {
    const l1 = fc.integer({ min: 0, max: 400 }).map((entries) => Buffer.alloc(entries * 8, 7));
    const property = fc.property(
      anyRefcountBits,
      anySteps(clusterSize, most),
      l1,
      (bits, all, table) => expectConsistent(clusterSize, bits, all, table),
    );
    fc.assert(property, { numRuns });
  },
);

// The tables at the end are themselves counted: one more cluster may need one more block.
test.each([1, 2, 4, 8, 16, 32, 64])(
  "every length around the end of a refcount block of %i bits",
  (bits) => {
    const range = (512 * 8) / bits;
    for (let count = range - 12; count < range + 4; count++) {
      const all = Array.from({ length: count }, () => "cluster" as const);
      for (const entries of [0, 1, 64, 65]) {
        expectConsistent(512, bits, all, Buffer.alloc(entries * 8, 7));
      }
    }
  },
);

test("compressed data stands close together", () => {
  const clusters = new HostClusters(65536, 16, () => undefined);
  const offsets = Array.from({ length: 100 }, () => clusters.allocateBytes(1000));
  expect(offsets).toEqual(offsets.map((_, index) => 2 * 65536 + index * 1000));
});

test("a file whose refcount table QEMU would not open is refused before it is written", () => {
  // The fewest clusters for each refcount block: 64 of 512 bytes.
  const clusters = new HostClusters(512, 64, () => undefined);
  const most = (2 ** 23 / 8) * 64;
  const fill = (): void => {
    for (let given = 0; given < most; given++) clusters.allocate();
  };
  expect(fill).toThrow(`at most ${most * 512} bytes`);
});
