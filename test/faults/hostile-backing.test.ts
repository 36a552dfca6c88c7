/** Images that name files which they have no business with. */
import { copyFileSync, linkSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import { must } from "../support/command.ts";
import { expectIdentical } from "../support/qemu.ts";
import { expectUnopened, Hostile, Qcow2, SECRET, u32, u64 } from "./hostile.ts";
import { expectRefusal, expectSuccess } from "./scene.ts";

describe("a raw disk in which a guest wrote a qcow2 header that names a secret", () => {
  async function disguised(): Promise<Hostile> {
    const hostile = new Hostile();
    await hostile.create("qcow2");
    hostile.nameBacking(hostile.secret, "raw");
    await must("truncate", ["-s", "8M", hostile.image]);
    return hostile;
  }

  test.each(["modified", "base"] as const)("is compared byte by byte as raw %s", async (side) => {
    const hostile = await disguised();
    const { scene, image } = hostile;
    expect(await hostile.qemuWouldOpenIt()).toBe(true);
    await expectSuccess(scene, hostile.args(side, "raw"));
    const modified = side === "modified" ? image : scene.modified;
    await expectIdentical(
      { path: scene.output, format: "qcow2" },
      { path: modified, format: "raw" },
    );
    expect(readFileSync(scene.output).includes(SECRET)).toBe(false);
    const restored = join(scene.folder, "restored.raw");
    await expectSuccess(scene, ["restore", "--json", scene.output, restored]);
    expect(readFileSync(restored).equals(readFileSync(modified))).toBe(true);
  });

  test("is refused where its format is not declared", async () => {
    const hostile = await disguised();
    await expectUnopened(hostile, null, {
      reason: "ImageRefused",
      says: ["looks like qcow2", "secret.raw", "-f"],
    });
  });
});

describe("a declared qcow2 image whose backing file", () => {
  type Naming = readonly [what: string, name: (hostile: Hostile) => string];
  const outside: readonly Naming[] = [
    ["is elsewhere, by its absolute path", ({ secret }) => secret],
    ["is elsewhere, by ..", ({ secret, scene }) => relative(scene.folder, secret)],
    [
      "is a symbolic link out of the folder",
      ({ secret, scene }) => {
        symlinkSync(secret, join(scene.folder, "link"));
        return "link";
      },
    ],
    [
      "is behind a folder that leads out",
      ({ secret, scene }) => {
        symlinkSync(dirname(secret), join(scene.folder, "folder"));
        return `folder/${basename(secret)}`;
      },
    ],
    [
      "leaves a folder by .. behind a link",
      ({ secret, scene }) => {
        mkdirSync(join(dirname(secret), "deep"));
        symlinkSync(join(dirname(secret), "deep"), join(scene.folder, "folder"));
        return `folder/../${basename(secret)}`;
      },
    ],
  ];
  test.each(outside)("%s", async (_, name) => {
    const hostile = new Hostile();
    await hostile.create("qcow2");
    hostile.nameBacking(name(hostile), "raw");
    expect(await hostile.qemuWouldOpenIt()).toBe(true);
    for (const side of ["modified", "base"] as const) {
      await expectRefusal(hostile.scene, hostile.args(side, "qcow2"), {
        reason: "BackingFileRefused",
        says: [hostile.image, "outside"],
      });
    }
  });

  const protocols: readonly Naming[] = [
    [
      "is a json: graph",
      ({ secret }) => `json:{"driver":"raw","file":{"driver":"file","filename":"${secret}"}}`,
    ],
    ["is a file: name", ({ secret }) => `file:${secret}`],
    ["is an nbd: server", ({ secret }) => `nbd:unix:${secret}`],
    ["is an nbd+unix: server", ({ secret }) => `nbd+unix:///?socket=${secret}`],
    ["is a fat: folder", ({ secret }) => `fat:rw:${dirname(secret)}`],
    ["is a host_device: name", ({ secret }) => `host_device:${secret}`],
    ["is a blkdebug: chain", ({ secret }) => `blkdebug::${secret}`],
  ];
  test.each(protocols)("%s", async (_, name) => {
    const hostile = new Hostile();
    await hostile.create("qcow2");
    hostile.nameBacking(name(hostile), "raw");
    await expectUnopened(hostile, "qcow2", {
      reason: "BackingFileRefused",
      says: [hostile.image, "never followed"],
    });
  });

  test("has no recorded format, or an unknown one", async () => {
    for (const [format, says] of [
      [null, "never guessed"],
      ["", "none of"],
      ["luks", "none of"],
      ["file", "none of"],
      ["raw\0", "none of"],
    ] as const) {
      const hostile = new Hostile();
      await hostile.create("qcow2");
      copyFileSync(hostile.scene.base, join(hostile.scene.folder, "backing"));
      hostile.nameBacking("backing", format);
      await expectRefusal(hostile.scene, hostile.args("modified", "qcow2"), {
        reason: "BackingFileRefused",
        says: [hostile.image, says],
      });
    }
  });

  test("is a guest's raw disk in disguise: its recorded format counts", async () => {
    const hostile = new Hostile();
    await hostile.create("qcow2");
    hostile.nameBacking(hostile.secret, "raw");
    await must("truncate", ["-s", "8M", hostile.image]);
    hostile.copyTo("disguised");
    await hostile.create("qcow2", "-b", "disguised", "-F", "raw");
    await expectSuccess(hostile.scene, hostile.args("modified", "qcow2"));
    expect(readFileSync(hostile.scene.output).includes(SECRET)).toBe(false);
  });

  test("leads out of the folder further down the chain", async () => {
    const hostile = new Hostile();
    await hostile.create("qcow2");
    hostile.nameBacking(hostile.secret, "raw");
    hostile.copyTo("middle");
    await hostile.create("qcow2", "-u", "-b", "middle", "-F", "qcow2");
    await expectRefusal(hostile.scene, hostile.args("base", "qcow2"), {
      reason: "BackingFileRefused",
      says: ["middle", "outside"],
    });
  });

  test("is a folder, a device, a named pipe, or missing", async () => {
    const hostile = new Hostile();
    await hostile.create("qcow2");
    mkdirSync(join(hostile.scene.folder, "folder"));
    await must("mkfifo", [join(hostile.scene.folder, "pipe")]);
    await must("mknod", [join(hostile.scene.folder, "disk"), "b", "7", "0"]);
    for (const [name, reason] of [
      ["folder", "ImageInvalid"],
      ["pipe", "ImageInvalid"],
      ["/dev/zero", "ImageInvalid"],
      ["absent", "ImageNotFound"],
      ["disk", "BackingFileRefused"],
    ] as const) {
      hostile.nameBacking(name, "raw");
      await expectRefusal(hostile.scene, hostile.args("modified", "qcow2"), {
        reason,
        says: [name],
      });
    }
  });
});

test.each([1, 2, 3])("a loop of %s backing files", async (length) => {
  const hostile = new Hostile();
  await hostile.create("qcow2");
  for (let index = 1; index < length; index++) {
    hostile.nameBacking(index === 1 ? "image" : `link${index - 1}`, "qcow2");
    hostile.copyTo(`link${index}`);
  }
  hostile.nameBacking(length === 1 ? "image" : `link${length - 1}`, "qcow2");
  await expectUnopened(hostile, "qcow2", { reason: "BackingFileRefused", says: ["loop"] });
  if (length > 1) return;
  linkSync(hostile.image, join(hostile.scene.folder, "hard"));
  hostile.nameBacking("hard", "qcow2");
  await expectUnopened(hostile, "qcow2", { reason: "BackingFileRefused", says: ["loop"] });
});

test("a backing chain that is too long", async () => {
  const hostile = new Hostile();
  await hostile.create("qcow2");
  for (let index = 0; index < 70; index++) {
    hostile.copyTo(`link${index}`);
    hostile.nameBacking(`link${index}`, "qcow2");
  }
  await expectRefusal(hostile.scene, hostile.args("modified", "qcow2"), {
    reason: "BackingFileRefused",
    says: ["64"],
  });
});

test("an external data file", async () => {
  const hostile = new Hostile();
  await hostile.create("qcow2", "-o", `data_file=${hostile.secret},data_file_raw=on`);
  expect(await hostile.qemuWouldOpenIt()).toBe(true);
  await expectUnopened(hostile, "qcow2", { reason: "ImageRefused", says: ["external data file"] });
  await expectUnopened(hostile, null, { reason: "ImageRefused", says: ["external data file"] });
});

test("a data file's name without the feature bit is not followed", async () => {
  const hostile = new Hostile();
  await hostile.create("qcow2");
  const { secret } = hostile;
  const name = Buffer.alloc(Math.ceil(secret.length / 8) * 8, secret, "latin1");
  hostile.patch(
    Qcow2.extensions,
    Buffer.concat([u32(0x44415441), u32(secret.length), name, u64(0n)]),
  );
  await expectSuccess(hostile.scene, hostile.args("modified", "qcow2"));
  expect(readFileSync(hostile.scene.output).includes(SECRET)).toBe(false);
});

test("a qed image with a backing file elsewhere, or one to be probed", async () => {
  const hostile = new Hostile();
  await hostile.create("qed", "-u", "-b", hostile.secret, "-F", "raw");
  expect(await hostile.qemuWouldOpenIt()).toBe(true);
  for (const side of ["modified", "base"] as const) {
    await expectRefusal(hostile.scene, hostile.args(side, "qed"), {
      reason: "BackingFileRefused",
      says: [hostile.image, "outside"],
    });
  }
  await hostile.create("qed", "-u", "-b", hostile.secret, "-F", "qcow2");
  await expectRefusal(hostile.scene, hostile.args("modified", "qed"), {
    reason: "BackingFileRefused",
    says: [hostile.image],
  });
});
