/** Grown and shrunk copies: only when asked for, and then exactly as QEMU reads them. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { restore } from "../../src/engine/restore.ts";
import { must } from "../support/command.ts";
import { runDiff } from "../support/engine.ts";
import { testFolder } from "../support/folder.ts";
import { bytesIn, naiveStates } from "../support/naive.ts";
import { expectClean, expectIdentical } from "../support/qemu.ts";
import { edit, makeRaw, type Stretch } from "../support/raw-image.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const CLUSTER = 64 * KIB;

/** The base's data, up to its very end. */
function contentOf(size: number): Stretch[] {
  return [
    { start: 0, length: Math.min(size, 300 * KIB), fill: "noise", seed: 1 },
    { start: Math.max(0, size - 200 * KIB), length: 200 * KIB, fill: "text", seed: 2 },
  ];
}

interface Case {
  readonly from: number;
  readonly to: number;
  /** What was written into the grown or shrunk copy. */
  readonly edits: readonly Stretch[];
}

function makePair({ from, to, edits }: Case) {
  const folder = testFolder();
  const [base, modified] = [join(folder, "base"), join(folder, "modified")];
  makeRaw(base, from, contentOf(from));
  makeRaw(modified, to, contentOf(from));
  edit(modified, to, edits);
  return { base, modified, output: join(folder, "overlay") };
}

const atEnd = (size: number): Stretch => ({ start: size - 1, length: 1, fill: "noise", seed: 3 });

const cases = [
  { name: "grown by a hole", from: 4 * MIB, to: 9 * MIB, edits: [] },
  { name: "grown by data", from: 4 * MIB, to: 9 * MIB, edits: [atEnd(9 * MIB)] },
  { name: "grown within a cluster", from: MIB + 512, to: MIB + 1024, edits: [atEnd(MIB + 1024)] },
  { name: "grown from no multiple of 512", from: MIB + 100, to: 3 * MIB + 100, edits: [] },
  {
    name: "grown to no multiple of 512",
    from: MIB,
    to: 5 * MIB + 777,
    edits: [atEnd(5 * MIB + 777)],
  },
  { name: "grown from nothing", from: 0, to: MIB, edits: [atEnd(MIB)] },
  { name: "shrunk", from: 9 * MIB, to: 4 * MIB, edits: [atEnd(4 * MIB)] },
  { name: "shrunk, else the same", from: 9 * MIB, to: 8 * MIB + 900 * KIB, edits: [] },
  { name: "shrunk within a cluster", from: MIB + 1024, to: MIB + 512, edits: [] },
  {
    name: "shrunk to no multiple of 512",
    from: 5 * MIB,
    to: 4 * MIB + 1,
    edits: [atEnd(4 * MIB + 1)],
  },
  { name: "shrunk to nothing", from: MIB, to: 0, edits: [] },
  {
    name: "shrunk and zeroed at the end",
    from: 9 * MIB,
    to: 8 * MIB + 900 * KIB + 10,
    edits: [{ start: 8 * MIB, length: MIB, fill: "zero", seed: 0 }],
  },
] satisfies Array<Case & { name: string }>;

test.each(cases)("a copy that was $name", async (tested) => {
  const pair = makePair(tested);
  const result = await runDiff({ ...pair, allowSizeDifference: true, verification: "full" });
  await expectClean(pair.output);
  await expectIdentical(
    { path: pair.output, format: "qcow2" },
    { path: pair.modified, format: "raw" },
  );
  const virtualSize = Math.ceil(tested.to / 512) * 512;
  const states = naiveStates(pair.base, pair.modified, CLUSTER);
  expect(result.output.virtualSizeBytes).toBe(virtualSize);
  expect(result.changes).toEqual({
    dataBytes: bytesIn(states, "data", CLUSTER, virtualSize),
    zeroBytes: bytesIn(states, "zero", CLUSTER, virtualSize),
    identicalBytes: bytesIn(states, "same", CLUSTER, virtualSize),
  });

  const restored = `${pair.output}.raw`;
  const signal = new AbortController().signal;
  await restore(
    {
      overlay: pair.output,
      output: { path: restored, existing: "Refuse" },
      format: "raw",
      volumes: [],
    },
    { signal, onProgress: () => undefined },
  );
  expect(statSync(restored).size).toBe(tested.to);
  await must("cmp", [restored, pair.modified]);
});

test.each(cases)("a copy that was $name is refused unless that is allowed", async (tested) => {
  const pair = makePair(tested);
  const [from, to] = [tested.from, tested.to].map((size) => Math.ceil(size / 512) * 512);
  await expect(runDiff(pair)).rejects.toMatchObject({
    reason: "SizeMismatch",
    exitCode: 3,
    message: expect.stringMatching(
      new RegExp(`base.* of ${from} bytes.*modified.* of ${to} bytes.*--allow-size-difference`),
    ),
  });
  expect(statSync(pair.output, { throwIfNoEntry: false })).toBeUndefined();
});

test("sizes that fill the same sectors are no difference", async () => {
  const pair = makePair({ from: MIB + 1, to: MIB + 512, edits: [] });
  const result = await runDiff({ ...pair, verification: "full" });
  expect(result.output.virtualSizeBytes).toBe(MIB + 512);
});

test.each(["qcow2", "vdi"] as const)("a grown %s over a raw base", async (format) => {
  const pair = makePair({ from: 2 * MIB, to: 6 * MIB, edits: [atEnd(6 * MIB)] });
  const modified = `${pair.modified}.${format}`;
  await must("qemu-img", ["convert", "-f", "raw", "-O", format, pair.modified, modified]);
  const images = { base: pair.base, modified, modifiedFormat: format, output: pair.output };
  await runDiff({ ...images, allowSizeDifference: true, verification: "full" });
  await expectClean(pair.output);
  await expectIdentical({ path: pair.output, format: "qcow2" }, { path: modified, format });
});

test.each([
  { from: 2 * MIB, to: 6 * MIB },
  { from: 6 * MIB, to: 2 * MIB },
])("a qed overlay of a copy of $to bytes over a base of $from", async ({ from, to }) => {
  const pair = makePair({ from, to, edits: [atEnd(to)] });
  await runDiff({ ...pair, format: "qed", allowSizeDifference: true, verification: "full" });
  await expectClean(pair.output, "qed");
  await expectIdentical(
    { path: pair.output, format: "qed" },
    { path: pair.modified, format: "raw" },
  );
});
