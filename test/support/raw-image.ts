/** Raw images made to order: stretches of data, written zeroes and holes. */
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import koffi from "koffi";

export type Fill =
  /** Bytes that no compressor makes smaller, none of them zero. */
  | "noise"
  /** Bytes that compress well, none of them zero. */
  | "text"
  /** One byte that is not zero, the rest left as it is. */
  | "speck"
  /** Zeroes that the filesystem stores. */
  | "zero"
  /** Zeroes that the filesystem does not store. */
  | "hole";

export interface Stretch {
  readonly start: number;
  readonly length: number;
  readonly fill: Fill;
  /** Two stretches of one fill and one seed hold the same bytes. */
  readonly seed: number;
}

const fallocate = koffi
  .load("libc.so.6")
  .func("int fallocate(int fd, int mode, int64 offset, int64 length)");
const PUNCH_HOLE_KEEP_SIZE = 2 | 1;

/** A sparse file of `size` bytes with the stretches in it, later ones over earlier ones. */
export function makeRaw(path: string, size: number, stretches: readonly Stretch[] = []): void {
  const fd = openSync(path, "w");
  ftruncateSync(fd, size);
  closeSync(fd);
  edit(path, size, stretches);
}

/** Writes the stretches over an image; what of them lies beyond its `size` is left out. */
export function edit(path: string, size: number, stretches: readonly Stretch[]): void {
  const fd = openSync(path, "r+");
  try {
    for (const stretch of stretches) {
      const length = Math.min(stretch.length, size - stretch.start);
      if (length > 0) put(fd, { ...stretch, length });
    }
  } finally {
    closeSync(fd);
  }
}

function put(fd: number, { start, length, fill, seed }: Stretch): void {
  if (fill === "hole") {
    if (fallocate(fd, PUNCH_HOLE_KEEP_SIZE, start, length) !== 0)
      throw new Error("fallocate cannot punch a hole here");
    return;
  }
  const bytes = bytesOf(fill, fill === "speck" ? 1 : length, seed);
  writeSync(fd, bytes, 0, bytes.length, fill === "speck" ? start + (seed % length) : start);
}

export function bytesOf(fill: Exclude<Fill, "hole">, length: number, seed: number): Buffer {
  switch (fill) {
    case "zero":
      return Buffer.alloc(length);
    case "text":
      return Buffer.alloc(length, `a disk of the seed ${seed}, and no other; `);
    case "speck":
    case "noise":
      return noise(length, seed);
  }
}

/** Marsaglia's xorshift, four bytes at a time. */
function noise(length: number, seed: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = (seed * 2654435761 + 1) >>> 0 || 1;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state | 0x01010101;
  }
  return Buffer.from(words.buffer, 0, length);
}
