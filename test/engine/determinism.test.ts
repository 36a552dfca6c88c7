/** The overlay's bytes depend on the images and the options, and on nothing else. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runDiff } from "../support/engine.ts";
import { testFolder } from "../support/folder.ts";
import { expectClean } from "../support/qemu.ts";
import { edit, makeRaw, type Stretch } from "../support/raw-image.ts";

const MIB = 2 ** 20;
/** Twenty spans, the last of them short. */
const SIZE = 77 * MIB + 4097;

const content: Stretch[] = [
  { start: 0, length: 30 * MIB, fill: "text", seed: 1 },
  { start: 40 * MIB, length: 20 * MIB, fill: "noise", seed: 2 },
];
/** Many changes in some spans, none in others: the workers do not take turns. */
const changes: Stretch[] = Array.from({ length: 90 }, (_, index) => ({
  start: ((index * index * 7919) % 75) * MIB + index * 4096,
  length: 1 + ((index * 3571) % 150_000),
  fill: (["noise", "text", "zero"] as const)[index % 3] ?? "noise",
  seed: index,
}));

test.each([
  { name: "plain", compressed: false, options: "" },
  { name: "zlib", compressed: true, options: "compression_type=zlib" },
  { name: "zstd", compressed: true, options: "compression_type=zstd" },
  { name: "small clusters with zlib", compressed: true, options: "cluster_size=4k" },
  { name: "extended L2", compressed: false, options: "extended_l2=on,cluster_size=128k" },
])(
  "$name: 1, 2 and 7 workers, twice each, make the same bytes",
  async ({ options, compressed }) => {
    const folder = testFolder();
    const [base, modified] = [join(folder, "base"), join(folder, "modified")];
    makeRaw(base, SIZE, content);
    makeRaw(modified, SIZE, content);
    edit(modified, SIZE, changes);
    const output = join(folder, "overlay");
    const hashes = new Map<string, string>();
    for (const workers of [1, 2, 7]) {
      for (const attempt of ["first", "second"]) {
        await runDiff({
          options,
          compressed,
          base,
          modified,
          output,
          workers,
          existing: "Replace",
        });
        const hash = createHash("sha256").update(readFileSync(output)).digest("hex");
        hashes.set(`${workers} workers, ${attempt}`, hash);
      }
    }
    await expectClean(output);
    const [first] = hashes.values();
    for (const [run, hash] of hashes) expect(`${run}: ${hash}`).toBe(`${run}: ${first}`);
  },
);
