/** The changed clusters of one span, held by a worker until it is told where they go. */
import { startWriteback } from "../system/libc.ts";
import { write } from "../system/write.ts";
import { ALL_SUBCLUSTERS, ChangeList, type Change } from "./changes.ts";
import { SUBCLUSTERS } from "./compare.ts";
import { SPAN_BYTES, type Offsets } from "./job.ts";

export class Held {
  readonly changes = new ChangeList();
  /** Room for a span that changed whole; memory is only taken for what is used. */
  readonly #arena = Buffer.allocUnsafeSlow(SPAN_BYTES);
  #used = 0;
  /** Of each change with bytes, in order: how many, and which of its subclusters. */
  #lengths: number[] = [];
  #dataBits: number[] = [];

  get isEmpty(): boolean {
    return this.#lengths.length === 0;
  }

  /** Bytes that wait to be stored. */
  get bytes(): number {
    return this.#used;
  }

  /** Records a change; `bytes`, if it has any, are copied. */
  add(change: Change, bytes: Buffer | null): void {
    this.changes.add(change);
    if (bytes === null) return;
    bytes.copy(this.#arena, this.#used);
    this.#used += bytes.length;
    this.#lengths.push(bytes.length);
    this.#dataBits.push(change.dataBits);
  }

  /**
   * Stores the bytes and forgets them.
   * @throws Failure NoSpace or OutputWriteFailed.
   */
  store(fd: number, offsets: Offsets): void {
    // Neighbours here and there are written at once.
    let [at, length, offset] = [0, 0, 0];
    const add = (partAt: number, partLength: number, partOffset: number): void => {
      if (partAt === at + length && partOffset === offset + length) {
        length += partLength;
      } else {
        write(fd, this.#arena, at, length, offset);
        [at, length, offset] = [partAt, partLength, partOffset];
      }
    };
    let from = 0;
    for (let index = 0; index < this.#lengths.length; index++) {
      const bytes = this.#lengths[index] ?? 0;
      const to = offsets[index] ?? 0;
      for (const part of writtenParts(bytes, this.#dataBits[index] ?? 0)) {
        add(from + part.start, part.end - part.start, to + part.start);
      }
      from += bytes;
    }
    write(fd, this.#arena, at, length, offset);
    const first = offsets[0] ?? 0;
    // Storage so works while we compare, instead of all at once in the final fsync.
    startWriteback(fd, first, (offsets.at(-1) ?? 0) - first + 1);
    this.#lengths = [];
    this.#dataBits = [];
    this.#used = 0;
  }
}

/** With subclusters, only those with data are written: the rest of the cluster stays a hole. */
function writtenParts(length: number, dataBits: number): Array<{ start: number; end: number }> {
  if (dataBits === ALL_SUBCLUSTERS) return [{ start: 0, end: length }];
  const size = length / SUBCLUSTERS;
  return Array.from({ length: SUBCLUSTERS }, (_, index) => index)
    .filter((index) => (dataBits & (1 << index)) !== 0)
    .map((index) => ({ start: index * size, end: (index + 1) * size }));
}
