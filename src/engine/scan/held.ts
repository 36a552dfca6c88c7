/** The changed clusters of one span, held by a worker until it is told where they go. */
import { writeSync } from "node:fs";
import { Failure } from "../../report/reasons.ts";
import { startWriteback } from "../system/libc.ts";
import { errorCode, messageOf } from "../text.ts";
import { ALL_SUBCLUSTERS, ChangeList, type Change } from "./changes.ts";
import { SUBCLUSTERS } from "./compare.ts";
import type { Offsets } from "./job.ts";

interface Entry {
  /** Where in the arena. */
  readonly at: number;
  readonly length: number;
  readonly dataBits: number;
}

const FIRST_ARENA_BYTES = 256 * 1024;

export class Held {
  readonly changes = new ChangeList();
  #arena = Buffer.alloc(0);
  #used = 0;
  #entries: Entry[] = [];

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** Records a change; `bytes`, if it has any, are copied. */
  add(change: Change, bytes: Buffer | null): void {
    this.changes.add(change);
    if (bytes === null) return;
    const needed = this.#used + bytes.length;
    if (needed > this.#arena.length) {
      const grown = Buffer.allocUnsafeSlow(
        Math.max(needed, this.#arena.length * 2, FIRST_ARENA_BYTES),
      );
      this.#arena.copy(grown, 0, 0, this.#used);
      this.#arena = grown;
    }
    bytes.copy(this.#arena, this.#used);
    this.#entries.push({ at: this.#used, length: bytes.length, dataBits: change.dataBits });
    this.#used = needed;
  }

  /**
   * Stores the bytes and forgets them.
   * @throws Failure NoSpace or OutputWriteFailed.
   */
  store(fd: number, offsets: Offsets): void {
    let run = { at: 0, length: 0, offset: 0 };
    for (const [index, entry] of this.#entries.entries()) {
      const offset = offsets[index] ?? 0;
      for (const part of writtenParts(entry)) {
        const to = offset + part.at - entry.at;
        if (part.at === run.at + run.length && to === run.offset + run.length) {
          run.length += part.length;
        } else {
          write(fd, this.#arena, run.at, run.length, run.offset);
          run = { at: part.at, length: part.length, offset: to };
        }
      }
    }
    write(fd, this.#arena, run.at, run.length, run.offset);
    const first = offsets[0] ?? 0;
    // Storage so works while we compare, instead of all at once in the final fsync.
    startWriteback(fd, first, (offsets.at(-1) ?? 0) - first + 1);
    this.#entries = [];
    this.#used = 0;
  }
}

/** With subclusters, only those with data are written: the rest of the cluster stays a hole. */
function* writtenParts(entry: Entry): Generator<{ at: number; length: number }> {
  if (entry.dataBits === ALL_SUBCLUSTERS) {
    yield entry;
    return;
  }
  const length = entry.length / SUBCLUSTERS;
  for (let index = 0; index < SUBCLUSTERS; index++) {
    if ((entry.dataBits & (1 << index)) !== 0) yield { at: entry.at + index * length, length };
  }
}

/**
 * Writes a buffer's [at, at + length) to the overlay at `offset`.
 * @throws Failure NoSpace or OutputWriteFailed.
 */
export function write(
  fd: number,
  buffer: Buffer,
  at: number,
  length: number,
  offset: number,
): void {
  let done = 0;
  try {
    while (done < length) {
      done += writeSync(fd, buffer, at + done, length - done, offset + done);
    }
  } catch (error) {
    throw writeFailure(error);
  }
}

/** What a failed write to the overlay means for the user. */
export function writeFailure(error: unknown): Failure {
  const code = errorCode(error);
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG") {
    return new Failure(
      "NoSpace",
      `There is no room for the overlay where it is to be written (${messageOf(error)}). ` +
        "Free some space, or have its size told first with 'imagediff estimate'.",
      { cause: error },
    );
  }
  return new Failure("OutputWriteFailed", `The overlay cannot be written: ${messageOf(error)}.`, {
    cause: error,
  });
}
