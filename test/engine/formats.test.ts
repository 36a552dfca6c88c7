/** Every format on either side, QEMU being the judge of what it reads from the overlay. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runDiff } from "../support/engine.ts";
import { kinds, makeImage } from "../support/images.ts";
import { bytesIn, naiveStates } from "../support/naive.ts";
import { chainInfo, expectClean, expectIdentical } from "../support/qemu.ts";
import { edit, makeRaw, type Stretch } from "../support/raw-image.ts";

const MIB = 2 ** 20;
const SIZE = 10 * MIB;

const original: Stretch[] = [
  { start: 0, length: 3 * MIB, fill: "text", seed: 1 },
  { start: 3 * MIB + 512, length: MIB, fill: "noise", seed: 2 },
  { start: 6 * MIB, length: 2 * MIB, fill: "text", seed: 3 },
];
const changes: Stretch[] = [
  { start: 0, length: 1, fill: "noise", seed: 10 },
  { start: 200_000, length: 100_000, fill: "zero", seed: 0 },
  { start: 3 * MIB, length: 3 * 65536, fill: "hole", seed: 0 },
  { start: 5 * MIB - 512, length: 1024, fill: "noise", seed: 11 },
  { start: 7 * MIB, length: 600_000, fill: "text", seed: 12 },
  { start: SIZE - 1, length: 1, fill: "noise", seed: 13 },
];

let folder = "";
let expected: object = {};
const paths = { base: new Map<string, string>(), modified: new Map<string, string>() };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "imagediff-formats-"));
  const raw = { base: join(folder, "base"), modified: join(folder, "modified") };
  makeRaw(raw.base, SIZE, original);
  makeRaw(raw.modified, SIZE, original);
  edit(raw.modified, SIZE, changes);
  const states = naiveStates(raw.base, raw.modified, 65536);
  expected = {
    dataBytes: bytesIn(states, "data", 65536, SIZE),
    zeroBytes: bytesIn(states, "zero", 65536, SIZE),
    identicalBytes: bytesIn(states, "same", 65536, SIZE),
  };
  for (const kind of kinds) {
    for (const side of ["base", "modified"] as const) {
      const path = await makeImage(kind, raw[side], folder, side);
      await expectIdentical({ path, format: kind.format }, { path: raw[side], format: "raw" });
      paths[side].set(kind.name, path);
    }
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(kinds)("$name as base, every format as modified", async (baseKind) => {
  const base = paths.base.get(baseKind.name) ?? "";
  for (const modifiedKind of kinds) {
    const modified = paths.modified.get(modifiedKind.name) ?? "";
    const output = join(folder, "overlay.qcow2");
    const result = await runDiff({
      base,
      baseFormat: baseKind.format,
      modified,
      modifiedFormat: modifiedKind.format,
      output,
      existing: "Replace",
    });
    await expectClean(output);
    await expectIdentical(
      { path: output, format: "qcow2" },
      { path: modified, format: modifiedKind.format },
    );
    const [top, next] = await chainInfo(output, "qcow2");
    expect(top).toMatchObject({
      "backing-filename": base,
      "backing-filename-format": baseKind.format,
      "virtual-size": SIZE,
    });
    expect(next?.format).toBe(baseKind.format);
    // The same disk in whatever format: the same changes.
    expect(result.changes, `${modifiedKind.name} over ${baseKind.name}`).toEqual(expected);
  }
});

const outputs = kinds.filter(({ name }) => ["raw", "qcow2 version 3", "vdi"].includes(name));

test.each(outputs)("a qed overlay over $name", async (kind) => {
  const [base, output] = [paths.base.get(kind.name) ?? "", join(folder, "overlay.qed")];
  const modified = paths.modified.get("raw") ?? "";
  const result = await runDiff({
    base,
    baseFormat: kind.format,
    modified,
    output,
    format: "qed",
    existing: "Replace",
    verification: "full",
  });
  expect(result.output.format).toBe("qed");
  await expectClean(output, "qed");
  await expectIdentical({ path: output, format: "qed" }, { path: modified, format: "raw" });
});
