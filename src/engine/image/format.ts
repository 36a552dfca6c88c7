/** The image formats that the engine reads, and telling one from its first bytes. */
import { readlinkSync, readSync } from "node:fs";
import { Failure } from "../../report/reasons.ts";
import { messageOf, quote } from "../text.ts";

export const formats = ["raw", "qcow2", "vmdk", "vdi", "vhdx", "vpc", "qed", "parallels"] as const;
export type Format = (typeof formats)[number];

export function isFormat(name: string): name is Format {
  return (formats as readonly string[]).includes(name);
}

/** Reads up to `length` bytes at `offset`; shorter only at the end of the file. */
export function readAt(fd: number, offset: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const count = readSome(fd, buffer, filled, offset + filled);
    if (count === 0) break;
    filled += count;
  }
  return buffer.subarray(0, filled);
}

function readSome(fd: number, buffer: Buffer, filled: number, offset: number): number {
  try {
    return readSync(fd, buffer, filled, buffer.length - filled, offset);
  } catch (error) {
    const name = readlinkSync(`/proc/self/fd/${fd}`);
    throw new Failure(
      "SourceReadFailed",
      `${quote(name)} cannot be read at byte ${offset}: ${messageOf(error)}. ` +
        "Check the storage below it (the kernel's log tells more).",
      { cause: error },
    );
  }
}

/** The magic numbers by which QEMU's own drivers know their images (block/*.c, *_probe). */
const magics: ReadonlyArray<readonly [Format, offset: number, magic: string]> = [
  ["qcow2", 0, "QFI\xfb"],
  ["vmdk", 0, "KDMV"],
  ["vmdk", 0, "COWD"],
  ["vmdk", 0, "# Disk DescriptorFile"],
  ["vdi", 0x40, "\x7f\x10\xda\xbe"],
  ["vhdx", 0, "vhdxfile"],
  ["vpc", 0, "conectix"],
  ["qed", 0, "QED\0"],
  ["parallels", 0, "WithoutFreeSpace"],
  ["parallels", 0, "WithouFreSpacExt"],
];

/**
 * The format that the first bytes look like. A guest can write those bytes into its raw disk,
 * so whoever asks must let nothing but the image itself be opened on the strength of the answer.
 */
export function detectFormat(fd: number): Format {
  const head = readAt(fd, 0, 128).toString("latin1");
  return magics.find(([, offset, magic]) => head.startsWith(magic, offset))?.[0] ?? "raw";
}
