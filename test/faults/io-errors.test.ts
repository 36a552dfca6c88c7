/** Storage that fails while an image is read or the overlay is written. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { must, run } from "../support/command.ts";
import { testFolder } from "../support/folder.ts";
import { mounted } from "./mounts.ts";
import {
  contents,
  expectFailure,
  expectNothingLeft,
  expectRefusal,
  expectSuccess,
  MiB,
  Scene,
} from "./scene.ts";
import { storage } from "./storage.ts";

const failed = { reason: "SourceReadFailed", says: [/storage|Input\/output error/] } as const;

test.each(["base", "modified"] as const)("bytes of a raw %s that cannot be read", async (side) => {
  const scene = new Scene();
  const { path } = await storage(scene[side], {
    unreadable: { start: 3 * MiB, end: 3 * MiB + 4096 },
  });
  const [base, modified] = side === "base" ? [path, scene.modified] : [scene.base, path];
  const args = ["-b", base, "-F", "raw", "-f", "raw", modified];
  for (const subcommand of [["diff"], ["estimate"]]) {
    const output = subcommand[0] === "diff" ? [scene.output] : [];
    await expectRefusal(scene, [...subcommand, "--json", ...args, ...output], {
      reason: "SourceReadFailed",
      says: [path, "kernel's log"],
    });
  }
});

describe.each(["base", "modified"] as const)("a qcow2 %s", (side) => {
  test("whose header, tables or data cannot be read", async () => {
    const scene = new Scene();
    const image = join(scene.folder, "image.qcow2");
    await must("qemu-img", ["convert", "-O", "qcow2", scene[side], image]);
    const map = JSON.parse(await must("qemu-img", ["map", "--output=json", image])) as Array<{
      data: boolean;
      offset?: number;
    }>;
    const header = readFileSync(image).subarray(0, 104);
    const data = map.findLast((extent) => extent.data)?.offset ?? 0;
    const l1 = Number(header.readBigUInt64BE(40));
    const refcounts = Number(header.readBigUInt64BE(48));
    const l2 = Number(readFileSync(image).readBigUInt64BE(l1) & ((1n << 56n) - 1n));
    for (const start of [0, l1, refcounts, l2, data]) {
      const { path } = await storage(image, { unreadable: { start, end: start + 512 } });
      const args =
        side === "base"
          ? ["-b", path, "-F", "qcow2", "-f", "raw", scene.modified]
          : ["-b", scene.base, "-F", "raw", "-f", "qcow2", path];
      await expectRefusal(scene, ["diff", "--json", ...args, scene.output], {
        ...failed,
        says: [path, ...failed.says],
      });
    }
  });
});

test("an overlay that cannot be read is not restored", async () => {
  const scene = new Scene();
  await expectSuccess(scene, scene.diff());
  const { path } = await storage(scene.base, { unreadable: { start: MiB, end: MiB + 4096 } });
  await must("qemu-img", ["rebase", "-u", "-F", "raw", "-b", path, scene.output]);
  const restored = join(scene.folder, "restored.raw");
  await expectRefusal(scene, ["restore", "--json", scene.output, restored], {
    reason: "SourceReadFailed",
    says: [/Input\/output error/],
  });
});

test("an overlay whose storage takes no writes", async () => {
  const scene = new Scene();
  const trigger = join(testFolder(), "fail");
  const blank = join(testFolder(), "blank");
  await must("truncate", ["-s", "64M", blank]);
  const { path } = await storage(blank, { failsToWriteIf: trigger });
  await must("mkfs.ext4", ["-q", "-O", "^has_journal", path]);
  const device = (await must("losetup", ["--find", "--show", path])).trim();
  onTestFinished(async () => void (await run("losetup", ["--detach", device])));
  const folder = await mounted([device]);
  const before = contents(scene.folder);
  writeFileSync(trigger, "");
  const ended = await scene.run([...scene.diff().slice(0, -1), join(folder, "overlay.qcow2")]);
  expectFailure(ended, { reason: "OutputWriteFailed", says: [/overlay/, /EIO|Input\/output/] });
  expect(contents(scene.folder)).toEqual(before);
  expect(Object.keys(contents(folder))).toEqual(["lost+found"]);
  expectNothingLeft(scene);
});
