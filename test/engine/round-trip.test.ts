/** The whole way through the command: diff, chain, verify, restore. */
import { readFileSync, realpathSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { failureOf, imagediff, linesOf, must } from "../support/command.ts";
import { testFolder } from "../support/folder.ts";
import { chainInfo, expectClean, expectIdentical } from "../support/qemu.ts";
import { edit, makeRaw, type Stretch } from "../support/raw-image.ts";

const MIB = 2 ** 20;
const SIZE = 6 * MIB + 333;

let folder = "";
const at = (name: string): string => join(folder, name);
const run = async (...args: string[]) => imagediff(args, { cwd: folder });

const changes: Stretch[] = [
  { start: MIB, length: 10, fill: "noise", seed: 2 },
  { start: 3 * MIB, length: MIB, fill: "zero", seed: 0 },
  { start: SIZE - 1, length: 1, fill: "noise", seed: 3 },
];

beforeEach(() => {
  folder = realpathSync(testFolder());
  for (const name of ["base", "modified"])
    makeRaw(at(name), SIZE, [{ start: 0, length: 5 * MIB, fill: "text", seed: 1 }]);
  edit(at("modified"), SIZE, changes);
});

async function makeOverlay(...more: string[]): Promise<void> {
  const args = ["-F", "raw", "-f", "raw", "-b", "base", ...more];
  expect(await run("diff", ...args, "modified", "overlay")).toMatchObject({ exitCode: 0 });
}

test("chain tells what the overlay rests on", async () => {
  await makeOverlay();
  const ended = await run("chain", "--json", "overlay");
  expect(linesOf(ended)).toEqual([
    {
      type: "chain",
      backingChain: [
        { path: at("overlay"), format: "qcow2", backingFile: "base" },
        { path: at("base"), format: "raw", backingFile: null },
      ],
    },
  ]);
  const words = await run("chain", "overlay");
  expect(words).toMatchObject({ exitCode: 0, stderr: "" });
  expect(words.stdout).toContain(at("base"));
});

test("an overlay of an overlay has a chain of three", async () => {
  await makeOverlay();
  await must("cp", [at("modified"), at("later")]);
  edit(at("later"), SIZE, [{ start: 2 * MIB, length: 99, fill: "noise", seed: 9 }]);
  const args = ["-F", "qcow2", "-f", "raw", "-b", "overlay", "later", "top"];
  expect(await run("diff", ...args)).toMatchObject({ exitCode: 0 });
  await expectClean(at("top"));
  await expectIdentical({ path: at("top"), format: "qcow2" }, { path: at("later"), format: "raw" });
  const [line] = linesOf(await run("chain", "--json", "top"));
  expect(line).toMatchObject({
    backingChain: [
      { path: at("top"), format: "qcow2", backingFile: "overlay" },
      { path: at("overlay"), format: "qcow2", backingFile: "base" },
      { path: at("base"), format: "raw", backingFile: null },
    ],
  });
  expect(await run("restore", "top", "full")).toMatchObject({ exitCode: 0 });
  expect(readFileSync(at("full")).equals(readFileSync(at("later")))).toBe(true);
});

test("what the base needs too is not counted as saved", async () => {
  await makeOverlay();
  const args = ["-F", "raw", "-f", "qcow2", "-b", "base", "overlay", "again"];
  const [result] = linesOf(await run("diff", "--json", ...args)).slice(-1);
  const allocated = statSync(at("overlay")).blocks * 512;
  expect(result).toMatchObject({ savings: { modifiedAllocatedBytes: allocated } });
});

test.each([
  { options: [] },
  { options: ["-c"] },
  { options: ["-O", "qed"] },
  { options: ["-o", "extended_l2=on,cluster_size=64k"] },
])("verify proves it, and finds one byte that differs: $options", async ({ options }) => {
  await makeOverlay(...options);
  const verify = ["verify", "--json", "overlay", "-f", "raw", "--against", "modified"];
  const proved = await run(...verify);
  expect(proved).toMatchObject({ exitCode: 0 });
  expect(linesOf(proved).at(-1)).toMatchObject({ type: "verified" });

  const place = 2 * MIB + 12345;
  edit(at("modified"), SIZE, [{ start: place, length: 1, fill: "noise", seed: 77 }]);
  const ended = await run(...verify);
  expect(ended.exitCode).toBe(4);
  const { reason, message } = failureOf(ended);
  expect(reason).toBe("VerificationFailed");
  expect(message).toContain(`byte ${place} `);
});

test("verify finds a base that was changed behind the overlay's back", async () => {
  await makeOverlay();
  edit(at("base"), SIZE, [{ start: 5 * MIB - 1, length: 1, fill: "noise", seed: 78 }]);
  const ended = await run("verify", "--json", "overlay", "-f", "raw", "--against", "modified");
  expect(failureOf(ended)).toMatchObject({ reason: "VerificationFailed" });
});

test("restore makes the exact raw image again, sparse", async () => {
  await makeOverlay();
  const ended = await run("restore", "--json", "overlay", "full");
  expect(linesOf(ended).at(-1)).toMatchObject({
    type: "restored",
    output: { path: at("full"), format: "raw", fileSizeBytes: SIZE },
  });
  expect(readFileSync(at("full")).equals(readFileSync(at("modified")))).toBe(true);
  expect(statSync(at("full")).blocks * 512).toBeLessThan(5 * MIB);
});

test("restore cuts nothing off that was written behind an odd end since", async () => {
  const odd = SIZE - 100;
  for (const name of ["base", "modified"]) truncateSync(at(name), odd);
  await makeOverlay();
  const last = Math.floor(odd / 512) * 512;
  await must("qemu-io", ["-f", "qcow2", "-c", `write -P 0x41 ${last} 512`, at("overlay")]);
  expect(await run("restore", "overlay", "full")).toMatchObject({ exitCode: 0 });
  expect(statSync(at("full")).size).toBe(last + 512);
  expect(
    readFileSync(at("full"))
      .subarray(last)
      .every((byte) => byte === 0x41),
  ).toBe(true);
});

test("restore to qcow2 makes an image that rests on nothing", async () => {
  await makeOverlay();
  expect(await run("restore", "-O", "qcow2", "overlay", "full")).toMatchObject({ exitCode: 0 });
  await expectClean(at("full"));
  await expectIdentical(
    { path: at("full"), format: "qcow2" },
    { path: at("modified"), format: "raw" },
  );
  const chain = await chainInfo(at("full"), "qcow2");
  expect(chain).toHaveLength(1);
  expect(chain[0]).not.toHaveProperty("backing-filename");
});

test("an overlay that was resized is restored in its new size", async () => {
  await makeOverlay();
  // QEMU keeps header extensions that it does not know, the exact size among them.
  await must("qemu-img", ["resize", "-q", "-f", "qcow2", at("overlay"), "8M"]);
  expect(await run("restore", "overlay", "full")).toMatchObject({ exitCode: 0 });
  truncateSync(at("modified"), 8 * MIB);
  expect(readFileSync(at("full")).equals(readFileSync(at("modified")))).toBe(true);
});

test("an overlay of what was restored, over the same base, is the same overlay", async () => {
  await makeOverlay();
  expect(await run("restore", "overlay", "full")).toMatchObject({ exitCode: 0 });
  const args = ["-F", "raw", "-f", "raw", "-b", "base", "full", "again"];
  expect(await run("diff", ...args)).toMatchObject({ exitCode: 0 });
  expect(readFileSync(at("again")).equals(readFileSync(at("overlay")))).toBe(true);
});
