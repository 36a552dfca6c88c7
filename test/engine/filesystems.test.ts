/** Images as files on real file systems: what each can tell, and how little is read for it. */
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { must } from "../support/command.ts";
import { runDiff, type TestDiff } from "../support/engine.ts";
import { Mounts, requireRoot, type Filesystem } from "../support/mounts.ts";
import { bytesIn, naiveStates } from "../support/naive.ts";
import { expectClean, expectIdentical } from "../support/qemu.ts";
import { edit, makeRaw, type Stretch } from "../support/raw-image.ts";

const MIB = 2 ** 20;
const SIZE = 64 * MIB + 4096;
const CLUSTER = 65536;

let folder = "";
let mounts: Mounts;
const mounted = new Map<Filesystem, string>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "imagediff-filesystems-"));
  mounts = new Mounts(folder);
  if (process.getuid?.() !== 0) return;
  for (const filesystem of ["xfs", "ext4", "tmpfs"] as const)
    mounted.set(filesystem, await mounts.mount(filesystem));
});

afterAll(async () => {
  await mounts.undo();
  rmSync(folder, { recursive: true });
});

beforeEach((context) => requireRoot(context));

const content: Stretch[] = [
  { start: 0, length: 20 * MIB, fill: "noise", seed: 1 },
  { start: 30 * MIB, length: 8 * MIB + 1000, fill: "text", seed: 2 },
  { start: 44 * MIB, length: 2 * MIB, fill: "zero", seed: 0 },
  { start: 50 * MIB, length: 14 * MIB, fill: "noise", seed: 3 },
];
/** Ten clusters, one of them the short last one and one of them new. */
const changes: Stretch[] = [
  { start: 0, length: 4096, fill: "noise", seed: 10 },
  { start: 4 * MIB - 2048, length: 4096, fill: "noise", seed: 11 },
  { start: 10 * MIB, length: CLUSTER, fill: "zero", seed: 0 },
  { start: 16 * MIB, length: CLUSTER, fill: "hole", seed: 0 },
  { start: 26 * MIB, length: 100, fill: "text", seed: 12 },
  { start: 31 * MIB + 5, length: 2 * CLUSTER, fill: "text", seed: 13 },
  { start: SIZE - 1, length: 1, fill: "noise", seed: 14 },
];

/** A base and an empty place for its copy on such a file system. */
function makeBase(filesystem: Filesystem): { base: string; modified: string; output: string } {
  const parent = mkdtempSync(join(mounted.get(filesystem) ?? "", "pair-"));
  const base = join(parent, "base");
  makeRaw(base, SIZE, content);
  return { base, modified: join(parent, "modified"), output: join(parent, "overlay") };
}

/** Runs it, and has QEMU and the naive comparison confirm it. */
async function diffRight(tested: TestDiff & { output: string }) {
  const result = await runDiff({ verification: "full", ...tested });
  await expectClean(tested.output);
  await expectIdentical(
    { path: tested.output, format: "qcow2" },
    { path: tested.modified, format: "raw" },
  );
  const states = naiveStates(tested.base, tested.modified, CLUSTER);
  expect(result.changes).toEqual({
    dataBytes: bytesIn(states, "data", CLUSTER, SIZE),
    zeroBytes: bytesIn(states, "zero", CLUSTER, SIZE),
    identicalBytes: bytesIn(states, "same", CLUSTER, SIZE),
  });
  return result;
}

const changedBytes = (result: { changes: { dataBytes: number; zeroBytes: number } }): number =>
  result.changes.dataBytes + result.changes.zeroBytes;

async function reflink(from: string, to: string): Promise<void> {
  await must("cp", ["--reflink=always", from, to]);
}

test("of a reflink copy on XFS only what changed is read", async () => {
  const pair = makeBase("xfs");
  await reflink(pair.base, pair.modified);
  edit(pair.modified, SIZE, changes);
  await must("sync", ["-f", pair.modified]);
  const result = await diffRight(pair);
  expect(result.readStrategy).toBe("SharedExtents");
  expect(changedBytes(result)).toBeGreaterThan(0);
  expect(result.work.bytesRead).toBeLessThanOrEqual(2 * changedBytes(result));
});

test("changes of a reflink copy that are still in the page cache only are seen", async () => {
  const pair = makeBase("xfs");
  await reflink(pair.base, pair.modified);
  await must("sync", ["-f", pair.modified]);
  // Copy-on-write in memory: until it is written out, the extent on storage is the shared one.
  const fd = openSync(pair.modified, "r+");
  for (let at = 0; at < 20 * MIB; at += 2 * MIB)
    writeSync(fd, Buffer.alloc(4096, 255), 0, 4096, at);
  closeSync(fd);
  const result = await diffRight(pair);
  expect(result.readStrategy).toBe("SharedExtents");
  expect(result.changes.dataBytes).toBe(10 * CLUSTER);
  expect(result.work.bytesRead).toBeLessThanOrEqual(2 * 10 * CLUSTER);
});

test("changes of the base, too, are seen", async () => {
  const pair = makeBase("xfs");
  await reflink(pair.base, pair.modified);
  edit(pair.base, SIZE, changes);
  const result = await diffRight(pair);
  expect(result.readStrategy).toBe("SharedExtents");
});

test("extents that are shared at other offsets are not taken for the same", async () => {
  const pair = makeBase("xfs");
  await reflink(pair.base, pair.modified);
  const swap = (from: number, to: number): string[] => [
    "-c",
    `reflink ${pair.base} ${from} ${to} ${4 * MIB}`,
  ];
  await must("xfs_io", [...swap(0, 8 * MIB), ...swap(8 * MIB, 0), pair.modified]);
  const result = await diffRight(pair);
  expect(result.changes.dataBytes).toBe(8 * MIB);
});

test("with --no-trust-holes a reflink copy is read whole", async () => {
  const pair = makeBase("xfs");
  await reflink(pair.base, pair.modified);
  edit(pair.modified, SIZE, changes);
  const result = await diffRight({ ...pair, trustHoles: false });
  expect(result.readStrategy).toBe("FullScan");
  expect(result.work.bytesRead).toBe(2 * (Math.ceil(SIZE / CLUSTER) * CLUSTER));
});

test.each(["xfs", "ext4", "tmpfs"] as const)(
  "of a sparse copy on %s no hole is read",
  async (filesystem) => {
    const pair = makeBase(filesystem);
    await must("cp", ["--sparse=always", "--reflink=never", pair.base, pair.modified]);
    edit(pair.modified, SIZE, changes);
    const result = await diffRight(pair);
    const strategy = filesystem === "xfs" ? "SharedExtents" : "SparseScan";
    expect(result.readStrategy).toBe(strategy);
    // Some file systems put whole blocks of up to 64 KiB where one byte was written.
    const stored = [pair.base, pair.modified].map((path) => statSync(path).blocks * 512);
    const slack = content.length + changes.length;
    expect(result.work.bytesRead).toBeLessThanOrEqual(
      2 * (Math.max(...stored) + 2 * slack * CLUSTER),
    );
    expect(result.work.bytesRead).toBeLessThan(1.5 * SIZE);
  },
);

test("images on two file systems", async () => {
  const pair = makeBase("ext4");
  const modified = join(mounted.get("xfs") ?? "", "apart");
  makeRaw(modified, SIZE, content);
  edit(modified, SIZE, changes);
  const output = join(mounted.get("tmpfs") ?? "", "apart.qcow2");
  const result = await diffRight({ base: pair.base, modified, output });
  expect(result.readStrategy).toBe("SparseScan");
});
