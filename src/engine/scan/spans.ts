/** Walks the disk's spans in a worker: takes the next one, tells the storage, hands it on. */
import type { ImageReader } from "../image/reader.ts";
import { SPAN_BYTES } from "./job.ts";
import type { SharedState } from "./shared.ts";

export interface TakenSpans {
  /** Spans [first, end) are this worker's. */
  readonly first: number;
  readonly end: number;
  /** The bytes that must be looked at: of the last of them; none where all are known empty. */
  readonly range: { readonly start: number; readonly end: number } | null;
}

/** Bytes of the disk in spans [first, end). */
export function bytesInSpans(first: number, end: number, virtualSize: number): number {
  return Math.min(end * SPAN_BYTES, virtualSize) - first * SPAN_BYTES;
}

export class SpanWalk {
  readonly #shared: SharedState;
  readonly #readers: readonly ImageReader[];
  readonly #virtualSize: number;
  readonly #count: number;

  constructor(shared: SharedState, readers: readonly ImageReader[], virtualSize: number) {
    this.#shared = shared;
    this.#readers = readers;
    this.#virtualSize = virtualSize;
    this.#count = Math.ceil(virtualSize / SPAN_BYTES);
  }

  /** Takes spans up to the next one with data in any image: a hole of any length is one step. */
  #take(): TakenSpans | null {
    for (;;) {
      const first = this.#shared.nextSpan;
      if (first >= this.#count || this.#shared.cancelled) return null;
      const from = first * SPAN_BYTES;
      const data = Math.min(...this.#readers.map((reader) => dataOrEnd(reader, from)));
      const wanted = data < this.#virtualSize ? Math.floor(data / SPAN_BYTES) : this.#count;
      const end = Math.min(wanted + 1, this.#count);
      if (!this.#shared.take(first, end)) continue;
      const start = wanted * SPAN_BYTES;
      const range =
        wanted < this.#count
          ? { start, end: Math.min(start + SPAN_BYTES, this.#virtualSize) }
          : null;
      return { first, end, range };
    }
  }

  /**
   * Every span that this worker gets, one ahead of the consumer: while one is compared, slow
   * storage already fetches the next.
   */
  *[Symbol.iterator](): Generator<TakenSpans> {
    let current = this.#announced();
    while (current !== null) {
      const following = this.#announced();
      yield current;
      if (current.range !== null) {
        for (const reader of this.#readers) reader.didRead(current.range.start, current.range.end);
      }
      this.#shared.didFinish(bytesInSpans(current.first, current.end, this.#virtualSize));
      current = following;
    }
  }

  #announced(): TakenSpans | null {
    const taken = this.#take();
    if (taken?.range) {
      for (const reader of this.#readers) reader.willRead(taken.range.start, taken.range.end);
    }
    return taken;
  }
}

function dataOrEnd(reader: ImageReader, from: number): number {
  const data = reader.nextData(from);
  return data >= reader.length ? Infinity : data;
}
