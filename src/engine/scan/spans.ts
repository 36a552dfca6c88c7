/** Walks the disk's spans in a worker: takes the next one, tells the storage, hands it on. */
import type { Extent, ImageReader } from "../image/reader.ts";
import { SPAN_BYTES } from "./job.ts";
import type { SharedState } from "./shared.ts";

/** What will be read of one image, in order and apart. */
export interface Reads {
  readonly reader: ImageReader;
  readonly extents: readonly Extent[];
}

/** What is to be done within one span. */
export interface SpanPlan {
  readonly start: number;
  readonly reads: readonly Reads[];
}

export interface TakenSpans<Plan extends SpanPlan> {
  /** Spans [first, end) are this worker's. */
  readonly first: number;
  readonly end: number;
  /** For the last of them; null where all are known to be empty. */
  readonly plan: Plan | null;
}

/** Bytes of the disk in spans [first, end). */
export function bytesInSpans(first: number, end: number, virtualSize: number): number {
  return Math.min(end * SPAN_BYTES, virtualSize) - first * SPAN_BYTES;
}

export class SpanWalk<Plan extends SpanPlan> {
  readonly #shared: SharedState;
  readonly #readers: readonly ImageReader[];
  readonly #virtualSize: number;
  readonly #count: number;
  readonly #plan: (start: number, end: number) => Plan;

  constructor(
    shared: SharedState,
    readers: readonly ImageReader[],
    virtualSize: number,
    plan: (start: number, end: number) => Plan,
  ) {
    this.#shared = shared;
    this.#readers = readers;
    this.#virtualSize = virtualSize;
    this.#count = Math.ceil(virtualSize / SPAN_BYTES);
    this.#plan = plan;
  }

  /**
   * Every span that this worker gets, one ahead of the consumer: while one is compared, slow
   * storage already fetches the next.
   */
  *[Symbol.iterator](): Generator<TakenSpans<Plan>> {
    let current = this.#take();
    while (current !== null) {
      const following = this.#take();
      yield current;
      for (const { reader, extents } of current.plan?.reads ?? []) {
        for (const { start, end } of extents) reader.didRead(start, end);
      }
      this.#shared.didFinish(bytesInSpans(current.first, current.end, this.#virtualSize));
      current = following;
    }
  }

  /** Takes spans up to the next one with data in any image: a hole of any length is one step. */
  #take(): TakenSpans<Plan> | null {
    for (;;) {
      const first = this.#shared.nextSpan;
      if (first >= this.#count || this.#shared.cancelled) return null;
      const from = first * SPAN_BYTES;
      const data = Math.min(...this.#readers.map((reader) => dataOrNever(reader, from)));
      const wanted = data < this.#virtualSize ? Math.floor(data / SPAN_BYTES) : this.#count;
      const end = Math.min(wanted + 1, this.#count);
      if (!this.#shared.take(first, end)) continue;
      const plan = wanted < this.#count ? this.#announce(wanted * SPAN_BYTES) : null;
      return { first, end, plan };
    }
  }

  #announce(start: number): Plan {
    const plan = this.#plan(start, Math.min(start + SPAN_BYTES, this.#virtualSize));
    for (const { reader, extents } of plan.reads) {
      for (const extent of extents) reader.willRead(extent.start, extent.end);
    }
    return plan;
  }
}

function dataOrNever(reader: ImageReader, from: number): number {
  const data = reader.nextData(from);
  return data >= reader.length ? Infinity : data;
}
