/** What a worker thread is told, and what it tells: all of it plain data. */
import type { Reason } from "../../report/reasons.ts";
import type { Source } from "../image/reader.ts";

/** Bytes of the disk that a worker takes at a time: a multiple of every cluster size. */
export const SPAN_BYTES = 8 * 2 ** 20;

export interface Storing {
  /** Bytes, a power of two from 512 to 2 MiB. */
  readonly clusterSize: number;
  /** Whether subclusters count one by one (extended L2). */
  readonly split: boolean;
  readonly compression: "zlib" | "zstd" | null;
  /** The overlay's descriptor; null to store nothing and only tell what would be. */
  readonly fd: number | null;
}

interface CommonJob {
  /** Which worker this is, from 0. */
  readonly worker: number;
  readonly shared: SharedArrayBuffer;
  readonly base: Source;
  readonly modified: Source;
  /** Bytes of the disk. */
  readonly virtualSize: number;
}

export interface CompareJob extends CommonJob {
  readonly kind: "compare";
  readonly storing: Storing;
}

/** Compares what QEMU makes of an overlay with the modified image. */
export interface VerifyJob extends CommonJob {
  readonly kind: "verify";
  readonly overlay: Source;
}

export type Job = CompareJob | VerifyJob;

/** Spans [first, end) are done. */
export interface SpansDone {
  readonly kind: "spans";
  readonly worker: number;
  readonly first: number;
  readonly end: number;
  /** See changes.ts; of the last span, the others having none. Null where nothing changed. */
  readonly changes: Uint32Array | null;
  /** Whether the worker waits to be told where to store the changes' bytes. */
  readonly wantsOffsets: boolean;
}

export interface WorkerFailed {
  readonly kind: "failed";
  readonly reason: Reason;
  readonly message: string;
}

/** The worker has loaded all that it needs. */
export interface WorkerReady {
  readonly kind: "ready";
}

/** The job is done; the worker waits for another. */
export interface WorkerEnded {
  readonly kind: "ended";
}

export type WorkerMessage = WorkerReady | SpansDone | WorkerFailed | WorkerEnded;

/** Where to store each change that has bytes: offsets in the overlay file, in their order. */
export type Offsets = Float64Array;
