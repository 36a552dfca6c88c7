/** VMDK, VHD, VDI and VHDX images that lead to other files, or claim absurd sizes. */
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { must } from "../support/command.ts";
import { expectUnopened, Hostile, u32 } from "./hostile.ts";
import { expectRefusal, MiB } from "./scene.ts";

/** A VMDK descriptor whose only extent is the secret. */
function descriptor(secret: string): string {
  return [
    "# Disk DescriptorFile",
    "version=1",
    "CID=12345678",
    "parentCID=ffffffff",
    'createType="monolithicFlat"',
    `RW ${(8 * MiB) / 512} FLAT "${secret}" 0`,
    'ddb.geometry.sectors = "63"',
    'ddb.geometry.heads = "16"',
    'ddb.geometry.cylinders = "16"',
    'ddb.adapterType = "ide"',
    "",
  ].join("\n");
}

describe("vmdk", () => {
  test("a descriptor that names another file", async () => {
    const hostile = new Hostile();
    writeFileSync(hostile.image, descriptor(hostile.secret));
    expect(await hostile.qemuWouldOpenIt()).toBe(true);
    for (const format of ["vmdk", null]) {
      await expectUnopened(hostile, format, { reason: "ImageRefused", says: ["own data"] });
    }
  });

  test("a descriptor behind spaces and comments", async () => {
    const hostile = new Hostile();
    writeFileSync(hostile.image, `# a comment\n\n${descriptor(hostile.secret)}`);
    await expectUnopened(hostile, "vmdk", { reason: "ImageInvalid", says: ["own data"] });
  });

  test.each(["monolithicFlat", "twoGbMaxExtentFlat", "twoGbMaxExtentSparse"])(
    "%s, as qemu-img makes it",
    async (subformat) => {
      const hostile = new Hostile();
      await hostile.create("vmdk", "-o", `subformat=${subformat}`);
      await expectRefusal(hostile.scene, hostile.args("modified", "vmdk"), {
        reason: "ImageRefused",
        says: ["own data", "qemu-img convert"],
      });
    },
  );

  test("a sparse header of no capacity, whose embedded text names another file", async () => {
    const hostile = new Hostile();
    await hostile.convert("vmdk");
    hostile.patch(12, Buffer.alloc(8));
    const text = Buffer.alloc(20 * 512);
    text.write(descriptor(hostile.secret));
    hostile.patch(512, text);
    expect(await hostile.qemuWouldOpenIt()).toBe(true);
    for (const format of ["vmdk", null]) {
      await expectUnopened(hostile, format, { reason: "ImageRefused", says: ["other files"] });
    }
  });

  test("a parent", async () => {
    const hostile = new Hostile();
    await hostile.convert("vmdk");
    const text = readFileSync(hostile.image).toString("latin1", 512, 512 + 20 * 512);
    for (const hint of [`parentFileNameHint="${hostile.secret}"`, "parentCID=1234abcd"]) {
      const changed = hint.startsWith("parentCID")
        ? text.replace("parentCID=ffffffff", hint)
        : text.replace("parentCID=ffffffff\n", `parentCID=12345678\n${hint}\n`);
      hostile.patch(512, changed.slice(0, 20 * 512));
      await expectUnopened(hostile, "vmdk", { reason: "ImageRefused", says: ["parent"] });
    }
  });

  test("a COWD header with a parent", async () => {
    const hostile = new Hostile();
    truncateSync(join(hostile.scene.folder, basename(hostile.scene.base)), 8 * MiB);
    const header = Buffer.alloc(MiB);
    header.write("COWD", 0);
    for (const [index, value] of [1, 3, 16384, 16, 4, 1, 8].entries()) {
      header.writeUInt32LE(value, 4 + index * 4);
    }
    header.write(`parentFileNameHint="${hostile.secret}"`, 512);
    writeFileSync(hostile.image, header);
    await expectUnopened(hostile, "vmdk", { reason: "ImageRefused", says: ["parent"] });
  });

  test("an absurd capacity", async () => {
    const hostile = new Hostile();
    await hostile.convert("vmdk");
    const capacity = Buffer.alloc(8);
    capacity.writeBigUInt64LE(1n << 54n);
    hostile.patch(12, capacity);
    await expectRefusal(hostile.scene, hostile.args("modified", "vmdk"), {
      reason: "ImageInvalid",
      says: [hostile.image],
    });
  });
});

describe("vpc", () => {
  test("a differencing disk, and other types", async () => {
    const hostile = new Hostile();
    for (const type of [0, 1, 4, 5, 0xffffffff]) {
      await hostile.convert("vpc");
      hostile.patch(60, u32(type));
      await expectUnopened(hostile, "vpc", { reason: "ImageRefused", says: ["VHD", "fixed"] });
    }
  });

  test("a fixed disk that is differencing at its end", async () => {
    const hostile = new Hostile();
    await hostile.convert("vpc", "-o", "subformat=fixed");
    const size = readFileSync(hostile.image).length;
    hostile.patch(size - 512 + 60, u32(4));
    await expectRefusal(hostile.scene, hostile.args("modified", "vpc"), {
      reason: "ImageRefused",
      says: ["VHD"],
    });
  });

  test("a block table that is beyond the end, or absurdly long", async () => {
    for (const [offset, value] of [
      [512 + 16, Buffer.from("00007fffffff0000", "hex")],
      [512 + 28, u32(0xffffffff)],
    ] as const) {
      const hostile = new Hostile();
      await hostile.convert("vpc");
      hostile.patch(offset, value);
      await expectRefusal(hostile.scene, hostile.args("modified", "vpc"), {
        reason: "ImageInvalid",
        says: [hostile.image],
      });
    }
  });
});

test("a vdi image with a parent, or with absurd counts", async () => {
  for (const [offset, value] of [
    [0x1a8 + 16, Buffer.alloc(16, 7)],
    [0x180, u32(0xffffffff)],
    [0x170, Buffer.alloc(8, 0x7f)],
  ] as const) {
    const hostile = new Hostile();
    await hostile.convert("vdi");
    hostile.patch(offset, value);
    await expectRefusal(hostile.scene, hostile.args("modified", "vdi"), {
      reason: "ImageInvalid",
      says: [hostile.image],
    });
  }
});

test("a vhdx image with a damaged header, region table or log", async () => {
  for (const [offset, length] of [
    [64 * 1024, 128 * 1024],
    [192 * 1024, 128 * 1024],
  ] as const) {
    const hostile = new Hostile();
    await hostile.convert("vhdx");
    hostile.patch(offset, Buffer.alloc(length, 0x5a));
    await expectRefusal(hostile.scene, hostile.args("modified", "vhdx"), {
      reason: "ImageInvalid",
      says: [hostile.image],
    });
  }
});

test("a parallels image with an absurd table", async () => {
  const hostile = new Hostile();
  await hostile.convert("parallels");
  hostile.patch(32, Buffer.from("ffffffff", "hex"));
  await expectRefusal(hostile.scene, hostile.args("modified", "parallels"), {
    reason: "ImageInvalid",
    says: [hostile.image],
  });
});

test("every format's magic in front of a guest's raw disk: raw stays raw", async () => {
  const hostile = new Hostile();
  for (const magic of ["QFI\xfb", "KDMV", "COWD", "vhdxfile", "conectix", "QED\0"]) {
    await must("cp", [hostile.scene.modified, hostile.image]);
    hostile.patch(0, magic);
    const ended = await hostile.scene.run([...hostile.args("modified", "raw"), "--force"]);
    expect(ended).toMatchObject({ exitCode: 0 });
    const undeclared = await hostile.scene.run([...hostile.args("modified", null), "--force"]);
    expect(undeclared.exitCode).toBe(3);
    expect(undeclared.stdout).toMatch(/Image(Invalid|Refused)/);
  }
});
