/** No overlay takes more room than the one that QEMU's own recipe makes. */
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { must, run } from "../support/command.ts";
import { runDiff } from "../support/engine.ts";
import { testFolder } from "../support/folder.ts";
import { rebaseOverlay } from "../support/qemu.ts";
import { edit, makeRaw, type Stretch } from "../support/raw-image.ts";

const MIB = 2 ** 20;

interface Room {
  readonly size: number;
  readonly allocated: number;
}

async function roomOf(path: string): Promise<Room> {
  // Until the file system has put it on storage, what it takes is not settled.
  await must("sync", [path]);
  const { size, blocks } = statSync(path);
  return { size, allocated: blocks * 512 };
}

/** Edits of 4 KiB, each at a block of its own, and 2 MiB that became zero. */
const anyCase = fc.record({
  mebibytes: fc.integer({ min: 8, max: 64 }),
  edits: fc.integer({ min: 0, max: 100 }),
  zeroedAt: fc.integer({ min: 0, max: 5 }),
  seed: fc.integer({ min: 0, max: 1_000_000 }),
  fill: fc.constantFrom("noise", "text"),
});
type Case = typeof anyCase extends fc.Arbitrary<infer Value> ? Value : never;

function makeCase(tested: Case, base: string, modified: string): void {
  const { seed, fill } = tested;
  const size = tested.mebibytes * MIB;
  for (const path of [base, modified])
    makeRaw(path, size, [{ start: 0, length: (size * 3) / 4, fill, seed }]);
  const edits: Stretch[] = Array.from({ length: tested.edits }, (_, index) => ({
    start: (((index + 1) * (2 * seed + 7919) * 31) % (size / 4096)) * 4096,
    length: 4096,
    fill,
    seed: seed + index,
  }));
  const zeroed = { start: tested.zeroedAt * MIB + 4096, length: 2 * MIB, seed: 0 };
  edit(modified, size, [...edits, { ...zeroed, fill: "zero" }]);
}

async function rebaseCompresses(): Promise<boolean> {
  return / rebase [^\n]*\[-c\]/.test((await run("qemu-img", ["--help"])).stdout);
}

/** QEMU's overlay, compressed: by rebase where it can, else by convert of what rebase made. */
async function compressedRebase(folder: string, options: string): Promise<string> {
  const [base, modified] = [join(folder, "base"), join(folder, "modified")];
  const [plain, output] = [join(folder, "plain"), join(folder, "compressed")];
  const images = [
    { path: base, format: "raw" },
    { path: modified, format: "raw" },
  ] as const;
  if (await rebaseCompresses()) {
    await rebaseOverlay(...images, output, { create: options, compressed: true });
    return output;
  }
  await rebaseOverlay(...images, plain, { create: options });
  const formats = ["-f", "qcow2", "-O", "qcow2", "-B", base, "-F", "raw"];
  await must("qemu-img", ["convert", "-c", "-o", options, ...formats, plain, output]);
  return output;
}

async function plainRebase(folder: string, options: string): Promise<string> {
  const output = join(folder, "plain");
  const images = ["base", "modified"].map((name) => ({ path: join(folder, name), format: "raw" }));
  await rebaseOverlay(...(images as [never, never]), output, { create: options });
  return output;
}

const plain = ["4k", "16k", "64k", "512k", "2M"].map((size) => `cluster_size=${size}`);
const compressed = ["16k", "64k", "256k"].flatMap((size) => [
  `cluster_size=${size},compression_type=zlib`,
  `cluster_size=${size},compression_type=zstd`,
]);

async function expectNotLarger(folder: string, options: string, packed: boolean): Promise<void> {
  const [base, modified] = [join(folder, "base"), join(folder, "modified")];
  const output = join(folder, "overlay");
  await runDiff({ base, modified, output, options, compressed: packed });
  const ours = await roomOf(output);
  const theirs = await roomOf(await (packed ? compressedRebase : plainRebase)(folder, options));
  expect(ours.size).toBeLessThanOrEqual(theirs.size);
  expect(ours.allocated).toBeLessThanOrEqual(theirs.allocated);
}

const cases = [
  ...[...plain, "cluster_size=128k,extended_l2=on"].map((options) => ({
    options,
    how: "rebase",
  })),
  ...compressed.map((options) => ({ options, how: "rebase -c" })),
];

test.each(cases)("$options is never larger than by $how", async ({ options, how }) => {
  const parent = testFolder();
  let count = 0;
  const property = fc.asyncProperty(anyCase, async (tested) => {
    const folder = join(parent, `${count++}`);
    mkdirSync(folder);
    makeCase(tested, join(folder, "base"), join(folder, "modified"));
    await expectNotLarger(folder, options, how === "rebase -c");
    rmSync(folder, { recursive: true });
  });
  await fc.assert(property, { numRuns: 6 });
});

// Bytes as disks hold them, neither noise nor all alike.
test.each(cases)("a program with $options is not larger than by $how", async ({ options, how }) => {
  const folder = testFolder();
  makeRaw(join(folder, "base"), 24 * MIB);
  makeRaw(join(folder, "modified"), 24 * MIB);
  const program = readFileSync(process.execPath).subarray(16 * MIB, 32 * MIB);
  writeFileSync(join(folder, "modified"), program, { flag: "r+" });
  await expectNotLarger(folder, options, how === "rebase -c");
});
