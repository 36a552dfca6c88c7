/** An output's file system that gets full, at twenty different places. */
import { copyFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { must } from "../support/command.ts";
import { expectIdentical } from "../support/qemu.ts";
import { memoryFilesystem } from "./mounts.ts";
import {
  contents,
  disk,
  expectFailure,
  expectNothingLeft,
  expectSuccess,
  MiB,
  Scene,
} from "./scene.ts";

/** 4 MiB of scattered changes. */
function manyChanges(): Scene {
  const scene = new Scene(16 * MiB);
  disk(
    scene.modified,
    16 * MiB,
    Array.from({ length: 64 }, (_, index) => [index * 3 * 65536, `change ${index}`]),
  );
  return scene;
}

const noSpace = {
  reason: "NoSpace",
  says: [/[Nn]o (room|space)/, /Free some space|No space/],
} as const;

async function expectFull(scene: Scene, args: (output: string) => string[], size: number) {
  const folder = await memoryFilesystem(`${size}`);
  const output = join(folder, "output");
  const before = contents(scene.folder);
  const ended = await scene.run(args(output));
  expectFailure(ended, noSpace);
  expect(readdirSync(folder)).toEqual([]);
  expect(contents(scene.folder)).toEqual(before);
  expectNothingLeft(scene);
  await must("mount", ["-o", "remount,size=64M", folder]);
  await expectSuccess(scene, args(output));
  return output;
}

/** Sizes in bytes, spread over what the output needs; the tmpfs counts in pages. */
function sizes(count: number, needed: number): number[] {
  return Array.from(
    { length: count },
    (_, index) => 4096 + Math.floor(((needed - 8192) * index) / count / 4096) * 4096,
  );
}

async function neededBy(scene: Scene, args: (output: string) => string[]): Promise<number> {
  const output = join(scene.folder, "measured");
  await expectSuccess(scene, args(output));
  const { blocks } = statSync(output);
  await must("rm", [output]);
  return blocks * 512;
}

test("a qcow2 overlay, at twenty sizes", async () => {
  const scene = manyChanges();
  const args = (output: string): string[] => [...scene.diff().slice(0, -1), output];
  for (const size of sizes(20, await neededBy(scene, args))) {
    const output = await expectFull(scene, args, size);
    await expectIdentical(
      { path: output, format: "qcow2" },
      { path: scene.modified, format: "raw" },
    );
  }
});

test("a compressed overlay, a qed overlay", async () => {
  const scene = manyChanges();
  for (const options of [["-c"], ["-O", "qed"]]) {
    const args = (output: string): string[] => [...scene.diff(...options).slice(0, -1), output];
    for (const size of sizes(3, await neededBy(scene, args))) await expectFull(scene, args, size);
  }
});

test("a restored image, raw or qcow2", async () => {
  const scene = manyChanges();
  await expectSuccess(scene, scene.diff());
  for (const format of ["raw", "qcow2"]) {
    const args = (output: string): string[] => [
      ...["restore", "--json", "-O", format],
      ...[scene.output, output],
    ];
    for (const size of sizes(2, await neededBy(scene, args))) {
      const output = await expectFull(scene, args, size);
      await expectIdentical({ path: output, format }, { path: scene.modified, format: "raw" });
    }
  }
});

test("a limit on the size of files is no room either", async () => {
  const scene = manyChanges();
  const before = contents(scene.folder);
  for (const options of [[], ["-O", "qed"]]) {
    const ended = await scene.run(scene.diff(...options), { by: ["prlimit", "--fsize=1000000"] });
    expectFailure(ended, noSpace);
    expect(contents(scene.folder)).toEqual(before);
    expectNothingLeft(scene);
  }
});

test("an existing output survives a run with --force that has no room", async () => {
  const scene = manyChanges();
  const folder = await memoryFilesystem("1M");
  const output = join(folder, "output");
  copyFileSync("/etc/hostname", output);
  const before = contents(folder);
  expectFailure(await scene.run([...scene.diff("--force").slice(0, -1), output]), noSpace);
  expect(contents(folder)).toEqual(before);
});
