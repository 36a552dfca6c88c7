import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { detectFormat, formats, isFormat } from "../../../src/engine/image/format.ts";
import { testFolder } from "../../support/folder.ts";

function detected(bytes: Buffer): string {
  const path = join(testFolder(), "image");
  writeFileSync(path, bytes);
  const fd = openSync(path, "r");
  try {
    return detectFormat(fd);
  } finally {
    closeSync(fd);
  }
}

const at = (offset: number, magic: string): Buffer =>
  Buffer.concat([Buffer.alloc(offset), Buffer.from(magic, "latin1"), Buffer.alloc(512)]);

test.each([
  ["qcow2", 0, "QFI\xfb"],
  ["vmdk", 0, "KDMV"],
  ["vmdk", 0, "COWD"],
  ["vmdk", 0, "# Disk DescriptorFile"],
  ["vdi", 64, "\x7f\x10\xda\xbe"],
  ["vhdx", 0, "vhdxfile"],
  ["vpc", 0, "conectix"],
  ["qed", 0, "QED\0"],
  ["parallels", 0, "WithoutFreeSpace"],
  ["parallels", 0, "WithouFreSpacExt"],
])("%s is known by its bytes at %i, %o", (format, offset, magic) => {
  expect(detected(at(offset, magic))).toBe(format);
  // One byte further they mean nothing.
  expect(detected(at(offset + 1, magic))).toBe("raw");
  expect(detected(at(offset, `${magic.slice(0, -1)}?`))).toBe("raw");
});

test("what looks like nothing is raw, however short", () => {
  for (const bytes of [Buffer.alloc(0), Buffer.from("Q"), Buffer.from("QFI"), Buffer.alloc(64)])
    expect(detected(bytes)).toBe("raw");
});

test("a magic number that is the whole file is enough", () => {
  expect(detected(Buffer.from("QFI\xfb", "latin1"))).toBe("qcow2");
});

test("only the words for formats are formats", () => {
  expect(formats.every(isFormat)).toBe(true);
  for (const word of ["", "QCOW2", "qcow", "host_device", "luks", "json:", "toString"])
    expect(isFormat(word)).toBe(false);
});
