/** Whether two files hold the same. */
import { fstatSync, readSync } from "node:fs";

/** Bytes that are compared at a time. */
const PIECE = 2 ** 20;

/** False too where the first is no regular file; the second is one of our own. */
export function haveSameBytes(one: number, other: number): boolean {
  if (!fstatSync(one).isFile() || fstatSync(one).size !== fstatSync(other).size) return false;
  const [a, b] = [Buffer.allocUnsafe(PIECE), Buffer.allocUnsafe(PIECE)];
  for (let offset = 0; ; offset += PIECE) {
    const length = readFull(one, a, offset);
    if (readFull(other, b, offset) !== length) return false;
    if (!a.subarray(0, length).equals(b.subarray(0, length))) return false;
    if (length < PIECE) return true;
  }
}

/** Reads until the buffer is full or the file ends; how many bytes that were. */
function readFull(fd: number, into: Buffer, offset: number): number {
  let length = 0;
  for (;;) {
    const read = readSync(fd, into, length, into.length - length, offset + length);
    length += read;
    if (read === 0 || length === into.length) return length;
  }
}
