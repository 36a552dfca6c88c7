/** Block devices as images: the device is the disk. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { must } from "../support/command.ts";
import { runDiff } from "../support/engine.ts";
import { Mounts, requireRoot } from "../support/mounts.ts";
import { bytesIn, naiveStates } from "../support/naive.ts";
import { chainInfo, expectClean, expectIdentical } from "../support/qemu.ts";
import { edit, makeRaw, type Stretch } from "../support/raw-image.ts";

const MIB = 2 ** 20;
const SIZE = 24 * MIB + 512;
const CLUSTER = 65536;

let folder = "";
let mounts: Mounts;
const files = { base: "", modified: "" };
const devices = { base: "", modified: "" };

const content: Stretch[] = [
  { start: 0, length: 6 * MIB, fill: "noise", seed: 1 },
  { start: 12 * MIB, length: 4 * MIB, fill: "text", seed: 2 },
];
const changes: Stretch[] = [
  { start: 65535, length: 2, fill: "noise", seed: 10 },
  { start: 5 * MIB, length: CLUSTER, fill: "zero", seed: 0 },
  { start: 20 * MIB, length: 1, fill: "noise", seed: 11 },
  { start: SIZE - 1, length: 1, fill: "noise", seed: 12 },
];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "imagediff-devices-"));
  mounts = new Mounts(folder);
  for (const side of ["base", "modified"] as const) {
    files[side] = join(folder, side);
    makeRaw(files[side], SIZE, content);
  }
  edit(files.modified, SIZE, changes);
  if (process.getuid?.() !== 0) return;
  devices.base = await mounts.device(files.base);
  devices.modified = await mounts.device(files.modified);
});

afterAll(async () => {
  await mounts.undo();
  rmSync(folder, { recursive: true });
});

beforeEach((context) => requireRoot(context));

test.each([
  { base: "device", modified: "device", strategy: "FullScan" },
  { base: "device", modified: "file", strategy: "SparseScan" },
  { base: "file", modified: "device", strategy: "SparseScan" },
] as const)("a $base as base, a $modified as modified", async ({ base, modified, strategy }) => {
  const output = join(folder, `${base}-${modified}.qcow2`);
  const side = {
    base: base === "device" ? devices : files,
    modified: modified === "device" ? devices : files,
  };
  const images = { base: side.base.base, modified: side.modified.modified };
  const result = await runDiff({ ...images, output, verification: "full" });
  await expectClean(output);
  await expectIdentical({ path: output, format: "qcow2" }, { path: files.modified, format: "raw" });
  const states = naiveStates(files.base, files.modified, CLUSTER);
  expect(result).toMatchObject({
    readStrategy: strategy,
    changes: {
      dataBytes: bytesIn(states, "data", CLUSTER, SIZE),
      zeroBytes: bytesIn(states, "zero", CLUSTER, SIZE),
      identicalBytes: bytesIn(states, "same", CLUSTER, SIZE),
    },
  });
  const [top] = await chainInfo(output, "qcow2");
  expect(top).toMatchObject({
    "backing-filename": images.base,
    "backing-filename-format": "raw",
    "virtual-size": SIZE,
  });
});

test("a device that holds a qcow2 image", async () => {
  const inner = join(folder, "inner");
  await must("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", files.modified, inner]);
  const modified = await mounts.device(inner);
  const output = join(folder, "inner.qcow2");
  await runDiff({ base: devices.base, modified, modifiedFormat: "qcow2", output });
  await expectClean(output);
  await expectIdentical({ path: output, format: "qcow2" }, { path: files.modified, format: "raw" });
});
