/** qcow2 images whose headers and tables are made to hurt whoever reads them. */
import { readFileSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { must } from "../support/command.ts";
import type { Reason } from "../../src/report/reasons.ts";
import { Hostile, Qcow2, u32, u64 } from "./hostile.ts";
import { disk, expectRefusal, expectSuccess, MiB } from "./scene.ts";

type Case = readonly [
  what: string,
  reason: Reason,
  says: string,
  change: (hostile: Hostile) => void,
];

const cases: readonly Case[] = [
  ["version 1", "ImageRefused", "version 1", (h) => h.patch(Qcow2.version, u32(1))],
  ["version 4", "ImageRefused", "version 4", (h) => h.patch(Qcow2.version, u32(4))],
  ["an absurd size", "ImageRefused", "bytes", (h) => h.patch(Qcow2.size, u64(1n << 62n))],
  ["a negative size", "ImageRefused", "bytes", (h) => h.patch(Qcow2.size, u64((1n << 64n) - 512n))],
  ...[0, 8, 22, 63, 0xffffffff].map((bits): Case => [
    `clusters of 2^${bits} bytes`,
    "ImageInvalid",
    `2^${bits}`,
    (h) => h.patch(Qcow2.clusterBits, u32(bits)),
  ]),
  ["AES", "ImageRefused", "encrypted", (h) => h.patch(Qcow2.crypt, u32(1))],
  ["an unknown encryption", "ImageRefused", "encrypted", (h) => h.patch(Qcow2.crypt, u32(77))],
  ["a huge L1 table", "ImageInvalid", "L1", (h) => h.patch(Qcow2.l1Entries, u32(0xffffffff))],
  ["no L1 table", "ImageInvalid", "L1", (h) => h.patch(Qcow2.l1Entries, u32(0))],
  [
    "an L1 table that is too small for the size",
    "ImageInvalid",
    "L1",
    (h) => h.patch(Qcow2.size, u64(1n << 40n)),
  ],
  [
    "an L1 table beyond the end",
    "ImageInvalid",
    "L1",
    (h) => h.patch(Qcow2.l1Offset, u64(1n << 40n)),
  ],
  [
    "an L1 table that begins in the file and ends beyond it",
    "ImageInvalid",
    "damaged",
    (h) => h.patch(Qcow2.l1Entries, u32(1 << 21)),
  ],
  ["an unaligned L1 table", "ImageInvalid", "aligned", (h) => h.patch(Qcow2.l1Offset, u64(77n))],
  ["an L1 table in the header", "ImageInvalid", "overlap", (h) => h.patch(Qcow2.l1Offset, u64(0n))],
  [
    "an L1 table in the refcount table",
    "ImageInvalid",
    "overlap",
    (h) => h.patch(Qcow2.l1Offset, readFileSync(h.image).subarray(48, 56)),
  ],
  [
    "a refcount table in the header",
    "ImageInvalid",
    "overlap",
    (h) => h.patch(Qcow2.refcountOffset, u64(0n)),
  ],
  [
    "a refcount table beyond the end",
    "ImageInvalid",
    "refcount table",
    (h) => h.patch(Qcow2.refcountOffset, u64(1n << 50n)),
  ],
  [
    "a huge refcount table",
    "ImageInvalid",
    "refcount table",
    (h) => h.patch(Qcow2.refcountClusters, u32(0xffffffff)),
  ],
  [
    "no refcount table",
    "ImageInvalid",
    "refcount table",
    (h) => h.patch(Qcow2.refcountClusters, u32(0)),
  ],
  ["many snapshots", "ImageInvalid", "snapshots", (h) => h.patch(Qcow2.snapshots, u32(0x7fffffff))],
  [
    "a snapshot table in nowhere",
    "ImageInvalid",
    "",
    (h) => h.patch(Qcow2.snapshots, Buffer.concat([u32(1), u64(1n << 60n)])),
  ],
  ["the corrupt bit", "ImageInvalid", "corrupt", (h) => h.patch(Qcow2.incompatible, u64(2n))],
  [
    "unknown features",
    "ImageRefused",
    "0x8000000000000000",
    (h) => h.patch(Qcow2.incompatible, u64(1n << 63n)),
  ],
  ["unknown features", "ImageRefused", "0x20", (h) => h.patch(Qcow2.incompatible, u64(1n << 5n))],
  ["a short header", "ImageInvalid", "header length", (h) => h.patch(Qcow2.headerLength, u32(72))],
  [
    "a long header",
    "ImageInvalid",
    "header length",
    (h) => h.patch(Qcow2.headerLength, u32(1 << 30)),
  ],
  [
    "a header extension that runs out",
    "ImageInvalid",
    "extension",
    (h) => h.patch(Qcow2.extensions, Buffer.concat([u32(0x12345678), u32(0xfffffff0)])),
  ],
  [
    "a backing file's name outside of the header",
    "ImageInvalid",
    "backing file's name",
    (h) => h.patch(Qcow2.backingOffset, Buffer.concat([u64(1n << 40n), u32(10)])),
  ],
  [
    "a backing file's name that is too long",
    "ImageInvalid",
    "backing file's name",
    (h) => h.patch(Qcow2.backingOffset, Buffer.concat([u64(1024n), u32(1 << 20)])),
  ],
];

describe("a qcow2 image with", () => {
  test.each(cases)("%s", async (_, reason, says, change) => {
    const hostile = new Hostile();
    await hostile.convert("qcow2");
    change(hostile);
    const side = says.length % 2 === 0 ? "modified" : "base";
    await expectRefusal(hostile.scene, hostile.args(side, "qcow2"), {
      reason,
      says: [hostile.image, says],
    });
  });

  test("so many snapshots that QEMU tells of megabytes", async () => {
    const hostile = new Hostile();
    await hostile.create("qcow2");
    const table = Math.ceil(statSync(hostile.image).size / 65536) * 65536;
    const entries = Array.from({ length: 2500 }, (_, index) => snapshot(index, 255));
    const bytes = Buffer.concat(entries);
    truncateSync(hostile.image, table);
    hostile.patch(table, bytes);
    hostile.patch(Qcow2.snapshots, Buffer.concat([u32(entries.length), u64(BigInt(table))]));
    // Counts the clusters of the table.
    await must("qemu-img", ["check", "-q", "-f", "qcow2", "-r", "all", hostile.image]);
    const told = await must("qemu-img", ["info", "--output=json", hostile.image]);
    expect(told.length).toBeGreaterThan(MiB);
    await expectSuccess(hostile.scene, hostile.args("modified", "qcow2"));
  });

  test("a LUKS header", async () => {
    const hostile = new Hostile();
    const secret = ["--object", "secret,id=key,data=sesame"];
    await hostile.create("qcow2", ...secret, "-o", "encrypt.format=luks,encrypt.key-secret=key");
    await expectRefusal(hostile.scene, hostile.args("modified", "qcow2"), {
      reason: "ImageRefused",
      says: [hostile.image, "encrypted", "decrypt"],
    });
  });
});

/** Offsets of the only L2 table and of the first data cluster's entry in it. */
function tables(image: string): { l2: number; entry: bigint } {
  const bytes = readFileSync(image);
  const mask = (1n << 56n) - 512n;
  const l1 = Number(bytes.readBigUInt64BE(Qcow2.l1Offset));
  const l2 = Number(bytes.readBigUInt64BE(l1) & mask);
  return { l2, entry: bytes.readBigUInt64BE(l2 + (MiB / 65536) * 8) };
}

describe("qcow2 tables", () => {
  test.each<[string, (h: Hostile) => void]>([
    [
      "an L2 table over the header",
      (h) => h.patch(Number(readFileSync(h.image).readBigUInt64BE(40)), u64(1n << 63n)),
    ],
    [
      "an L2 table beyond the end",
      (h) =>
        h.patch(Number(readFileSync(h.image).readBigUInt64BE(40)), u64((1n << 63n) | (1n << 45n))),
    ],
    [
      "data that is the L2 table",
      (h) => h.patch(tables(h.image).l2, u64((1n << 63n) | BigInt(tables(h.image).l2))),
    ],
    ["data beyond the end", (h) => h.patch(tables(h.image).l2, u64((1n << 63n) | (1n << 45n)))],
    [
      "unaligned data",
      (h) => h.patch(tables(h.image).l2, u64((1n << 63n) | (tables(h.image).entry + 512n))),
    ],
    ["data used twice", (h) => h.patch(tables(h.image).l2, u64(tables(h.image).entry))],
    [
      "compressed data beyond the end",
      (h) => h.patch(tables(h.image).l2, u64((1n << 62n) | (1n << 44n))),
    ],
    ["compressed data that does not inflate", (h) => h.patch(0x50000, Buffer.alloc(64, 0xff))],
  ])("%s", async (what, change) => {
    const hostile = new Hostile();
    await hostile.convert("qcow2", ...(what.endsWith("inflate") ? ["-c"] : []));
    change(hostile);
    await expectRefusal(hostile.scene, hostile.args("modified", "qcow2"), {
      reason: what.endsWith("inflate") ? "SourceReadFailed" : "ImageInvalid",
      says: [hostile.image],
    });
  });

  test("a bomb: all clusters are one and the same compressed one", async () => {
    const hostile = new Hostile();
    const { scene } = hostile;
    disk(scene.base, 256 * MiB, []);
    disk(scene.modified, 256 * MiB, [[0, "boom"]]);
    await hostile.convert("qcow2", "-c");
    const bytes = readFileSync(hostile.image);
    const l1 = Number(bytes.readBigUInt64BE(Qcow2.l1Offset));
    const l2 = Number(bytes.readBigUInt64BE(l1) & ((1n << 56n) - 512n));
    const entry = bytes.subarray(l2, l2 + 8);
    for (let index = 0; index < 4096; index++) hostile.patch(l2 + index * 8, entry);
    await expectRefusal(scene, hostile.args("modified", "qcow2"), {
      reason: "ImageInvalid",
      says: [hostile.image, "damaged"],
    });
    // With its references counted rightly it is a valid image, and read as one.
    const cluster = Number((entry.readBigUInt64BE() & ((1n << 54n) - 1n)) >> 16n);
    const block = Number(
      bytes.readBigUInt64BE(Number(bytes.readBigUInt64BE(Qcow2.refcountOffset))),
    );
    const count = Buffer.alloc(2);
    count.writeUInt16BE(4096);
    hostile.patch(block + cluster * 2, count);
    await must("qemu-img", ["check", hostile.image]);
    await expectSuccess(scene, [...hostile.args("modified", "qcow2"), "-c"]);
  });

  test("a recorded exact size that is not this disk's is not taken over", async () => {
    for (const size of [5n, 1n << 40n, (1n << 64n) - 1n]) {
      const hostile = new Hostile();
      await hostile.convert("qcow2");
      hostile.patch(Qcow2.extensions, Buffer.concat([u32(0x49446966), u32(8), u64(size), u64(0n)]));
      const { scene } = hostile;
      await expectSuccess(scene, hostile.args("modified", "qcow2"));
      const restored = join(scene.folder, "restored.raw");
      await expectSuccess(scene, ["restore", "--json", scene.output, restored]);
      expect(statSync(restored).size).toBe(8 * MiB);
    }
  });
});

test("a raw disk larger than any overlay can describe", async () => {
  const hostile = new Hostile();
  truncateSync(hostile.scene.base, 2 ** 43);
  truncateSync(hostile.scene.modified, 2 ** 43);
  const args = hostile.scene.diff("-o", "cluster_size=512");
  const ended = await hostile.scene.run(args);
  expect(ended.exitCode).toBe(3);
  expect(ended.stdout).toContain("OverlayTooLarge");
  expect(ended.stderr).toContain("Use larger clusters.");
});

/** An entry of the snapshot table, of a snapshot that holds nothing. */
function snapshot(index: number, nameLength: number): Buffer {
  const id = String(index + 1).padStart(8, "0");
  const entry = Buffer.alloc(40 + 16 + id.length + nameLength);
  entry.writeUInt16BE(id.length, 12);
  entry.writeUInt16BE(nameLength, 14);
  entry.writeUInt32BE(16, 36);
  // In the extra data, the size of the disk.
  entry.writeBigUInt64BE(BigInt(8 * MiB), 48);
  entry.write(id, 56);
  entry.fill("n", 56 + id.length);
  return Buffer.concat([entry, Buffer.alloc((8 - (entry.length % 8)) % 8)]);
}
