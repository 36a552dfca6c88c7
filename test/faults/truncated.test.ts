/** Images whose end is missing: what is not there must never be read as zeroes. */
import { copyFileSync, readFileSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { must } from "../support/command.ts";
import { disk, expectRefusal, MiB, Scene } from "./scene.ts";

const formats = ["qcow2", "vmdk", "vdi", "vhdx", "vpc", "qed", "parallels"] as const;

/** Data up to its very end, so that every cut takes some of it. */
async function whole(scene: Scene, format: string): Promise<string> {
  disk(scene.modified, 8 * MiB, [
    [MiB, "first"],
    [4 * MiB + 65536, "middle"],
    [8 * MiB - 4096, "last"],
  ]);
  const image = join(scene.folder, `whole.${format}`);
  await must("qemu-img", ["convert", "-O", format, scene.modified, image]);
  return image;
}

async function expectRefusedAt(scene: Scene, image: string, format: string, length: number) {
  const cut = join(scene.folder, "cut.img");
  copyFileSync(image, cut);
  truncateSync(cut, length);
  const args = ["-b", scene.base, "-F", "raw", "-f", format, cut, scene.output];
  await expectRefusal(scene, ["diff", "--json", ...args], {
    reason: "ImageInvalid",
    says: ["cut.img"],
  });
}

describe.each(formats)("%s", (format) => {
  test("cut within its header, its tables, its data", async () => {
    const scene = new Scene();
    const image = await whole(scene, format);
    const { size } = statSync(image);
    // The last: all of one cluster, whatever its size is.
    const lengths = [1, 63, 511, 1000, 70_000, Math.floor(size / 2), size - 2 * MiB];
    for (const length of lengths.filter((bytes) => bytes > 0 && bytes < size)) {
      await expectRefusedAt(scene, image, format, length);
    }
  });

  test("cut within its last cluster", async () => {
    const scene = new Scene();
    const image = await whole(scene, format);
    // A dynamic VHD's last sector is a copy of its first one: nothing is lost with it.
    const spare = format === "vpc" ? 512 : 0;
    const size = statSync(image).size - spare;
    for (const missing of [512, 4096, 60_000]) {
      await expectRefusedAt(scene, image, format, size - missing);
    }
  });
});

test("a raw image cut short is a smaller disk, and told so", async () => {
  const scene = new Scene();
  truncateSync(scene.modified, 8 * MiB - 512);
  await expectRefusal(scene, scene.diff(), { reason: "SizeMismatch", says: ["modified.raw"] });
});

test("a base below an overlay that was cut short", async () => {
  const scene = new Scene();
  const middle = join(scene.folder, "middle.qcow2");
  await must("qemu-img", ["convert", "-O", "qcow2", scene.base, middle]);
  const top = join(scene.folder, "top.qcow2");
  await must("qemu-img", [
    ...["create", "-q", "-f", "qcow2", "-b", "middle.qcow2", "-F", "qcow2", top],
  ]);
  truncateSync(middle, Math.floor(statSync(middle).size / 2));
  const args = ["-b", scene.base, "-F", "raw", "-f", "qcow2", top, scene.output];
  await expectRefusal(scene, ["diff", "--json", ...args], {
    reason: "ImageInvalid",
    says: ["middle.qcow2"],
  });
  expect(readFileSync(top).length).toBeGreaterThan(0);
});
