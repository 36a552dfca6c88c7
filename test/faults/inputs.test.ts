/** Base and modified that are missing, of the wrong kind, unreadable or the same. */
import { chmodSync, chownSync, copyFileSync, linkSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { must } from "../support/command.ts";
import { formats, type Format } from "../../src/engine/image/format.ts";
import { disk, expectRefusal, expectSuccess, makeFolder, MiB, Scene } from "./scene.ts";

/** A diff in which one side is something else. */
function withImage(scene: Scene, side: "base" | "modified", path: string, format = "raw") {
  const [base, modified] = side === "base" ? [path, scene.modified] : [scene.base, path];
  const declared = side === "base" ? ["-F", format, "-f", "raw"] : ["-F", "raw", "-f", format];
  return ["diff", "--json", ...declared, "-b", base, "--", modified, scene.output];
}

describe.each(["base", "modified"] as const)("as %s", (side) => {
  test("a missing file, also below a file", async () => {
    const scene = new Scene();
    const missing = join(scene.folder, "absent.raw");
    await expectRefusal(scene, withImage(scene, side, missing), {
      reason: "ImageNotFound",
      says: [`The ${side} image`, "absent.raw", "does not exist"],
    });
    await expectRefusal(scene, withImage(scene, side, join(scene.base, "below")), {
      reason: "ImageNotFound",
      says: ["base.raw/below"],
    });
  });

  test("symbolic links that dangle or lead in a circle", async () => {
    const scene = new Scene();
    const dangling = join(scene.folder, "dangling");
    symlinkSync("nowhere", dangling);
    const circle = join(scene.folder, "circle");
    symlinkSync("circle", circle);
    await expectRefusal(scene, withImage(scene, side, dangling), {
      reason: "ImageNotFound",
      says: ["dangling"],
    });
    await expectRefusal(scene, withImage(scene, side, circle), {
      reason: "ImageNotFound",
      says: ["circle"],
    });
  });

  test("a folder, a named pipe, a socket, a character device", async () => {
    const scene = new Scene();
    const folder = makeFolder(scene.folder, "folder");
    const pipe = join(scene.folder, "pipe");
    await must("mkfifo", [pipe]);
    const socket = join(scene.folder, "socket");
    const server = createServer().listen(socket);
    onTestFinished(() => void server.close());
    await expectRefusal(scene, withImage(scene, side, folder), {
      reason: "ImageInvalid",
      says: [`The ${side} image`, "a directory", "regular file or a block device"],
    });
    await expectRefusal(scene, withImage(scene, side, pipe), {
      reason: "ImageInvalid",
      says: ["a named pipe"],
    });
    await expectRefusal(scene, withImage(scene, side, "/dev/zero"), {
      reason: "ImageInvalid",
      says: ["/dev/zero", "a character device"],
    });
    // open(2) has ENXIO for a socket, which is no I/O error that another attempt could cure.
    await expectRefusal(scene, withImage(scene, side, socket), {
      reason: "ImageInvalid",
      says: ["socket"],
    });
  });

  test("a file that this user may not read, or not reach", async () => {
    const scene = new Scene();
    const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    for (const path of [scene.folder, scene.temporary]) chownSync(path, 65534, 65534);
    const secret = join(scene.folder, "secret.raw");
    copyFileSync(scene.base, secret);
    chmodSync(secret, 0o600);
    await expectRefusal(scene, withImage(scene, side, secret), {
      reason: "ImageUnreadable",
      says: ["secret.raw", "user 65534, group 65534", "permissions"],
      by: nobody,
    });
    const closed = makeFolder(scene.folder, "closed");
    disk(join(closed, "disk.raw"), 8 * MiB, []);
    chmodSync(closed, 0o700);
    await expectRefusal(scene, withImage(scene, side, join(closed, "disk.raw")), {
      reason: "ImageUnreadable",
      says: ["closed/disk.raw"],
      by: nobody,
    });
  });

  test("an image of another size", async () => {
    const scene = new Scene();
    const larger = join(scene.folder, "larger.raw");
    disk(larger, 9 * MiB, []);
    await expectRefusal(scene, withImage(scene, side, larger), {
      reason: "SizeMismatch",
      says: ["larger.raw", `${9 * MiB} bytes`, `${8 * MiB} bytes`, "--allow-size-difference"],
    });
  });
});

test("both empty and raw: a disk of no bytes is an overlay too", async () => {
  const scene = new Scene();
  writeFileSync(scene.base, "");
  writeFileSync(scene.modified, "");
  await expectSuccess(scene, scene.diff());
  expect(await must("qemu-img", ["info", scene.output])).toContain("virtual size: 0 B");
});

test("one and the same image: by its name, a hard link, a symbolic link, another spelling", async () => {
  const scene = new Scene();
  const hard = join(scene.folder, "hard.raw");
  linkSync(scene.base, hard);
  const soft = join(scene.folder, "soft.raw");
  symlinkSync("base.raw", soft);
  for (const other of [scene.base, hard, soft, `${scene.folder}/./../${scene.base.slice(5)}`]) {
    await expectRefusal(scene, withImage(scene, "modified", other), {
      reason: "SameImage",
      says: ["base.raw", "same image", "changed copy"],
    });
  }
});

/** Half of the formats on each side: both go the same way. */
function sideOf(format: Format): "base" | "modified" {
  return formats.indexOf(format) % 2 === 0 ? "base" : "modified";
}

test("an empty file, in every format, on one side or the other", async () => {
  const scene = new Scene();
  const empty = join(scene.folder, "empty.img");
  writeFileSync(empty, "");
  await expectRefusal(scene, withImage(scene, "base", empty), {
    reason: "SizeMismatch",
    says: ["empty.img", "0 bytes", "--allow-size-difference"],
  });
  for (const format of formats.filter((name) => name !== "raw")) {
    await expectRefusal(scene, withImage(scene, sideOf(format), empty, format), {
      reason: "ImageInvalid",
      says: ["empty.img"],
    });
  }
});

test("a raw disk that is declared to be something else, in every format, on one side or the other", async () => {
  const scene = new Scene();
  for (const format of formats.filter((name) => name !== "raw")) {
    await expectRefusal(scene, withImage(scene, sideOf(format), scene[sideOf(format)], format), {
      reason: "ImageInvalid",
      says: [`${sideOf(format)}.raw`],
    });
  }
});
