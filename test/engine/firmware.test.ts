/** Real pairs of images: variable stores of firmware, as Debian ships them. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { runDiff } from "../support/engine.ts";
import { testFolder } from "../support/folder.ts";
import { bytesIn, naiveStates } from "../support/naive.ts";
import { expectClean, expectIdentical } from "../support/qemu.ts";

const pairs = [
  // 8.25 clusters of 64 KiB.
  { name: "ovmf", folder: "/usr/share/OVMF", stem: "OVMF_VARS_4M" },
  // 64 MiB, nearly all of it zeroes that are stored.
  { name: "qemu-efi-aarch64", folder: "/usr/share/AAVMF", stem: "AAVMF_VARS" },
].flatMap(({ name, folder, stem }) =>
  ["ms", "snakeoil"].map((variant) => ({
    name,
    base: join(folder, `${stem}.fd`),
    modified: join(folder, `${stem}.${variant}.fd`),
  })),
);

beforeAll(() => {
  const missing = pairs.find(({ base, modified }) => !existsSync(base) || !existsSync(modified));
  if (missing !== undefined)
    throw new Error(`${missing.modified} is missing: install Debian's package ${missing.name}`);
});

test.each(pairs)("$modified over its empty store", async ({ base, modified }) => {
  const output = join(testFolder(), "overlay.qcow2");
  const size = statSync(modified).size;
  const result = await runDiff({ base, modified, output, verification: "full" });
  await expectClean(output);
  await expectIdentical({ path: output, format: "qcow2" }, { path: modified, format: "raw" });
  const states = naiveStates(base, modified, 65536);
  expect(result.changes).toEqual({
    dataBytes: bytesIn(states, "data", 65536, size),
    zeroBytes: bytesIn(states, "zero", 65536, size),
    identicalBytes: bytesIn(states, "same", 65536, size),
  });
  // Keys were enrolled: something changed, but not much.
  expect(result.changes.dataBytes).toBeGreaterThan(0);
  expect(result.changes.dataBytes).toBeLessThanOrEqual(2 ** 20);
});
