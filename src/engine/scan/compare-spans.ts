/** A worker's main job: finds the changed clusters of its spans and stores them. */
import type { Extent, ImageReader, RawSource, Source } from "../image/reader.ts";
import { physicalExtents } from "../system/libc.ts";
import { ALL_SUBCLUSTERS } from "./changes.ts";
import { compareCluster, isEqual, type ClusterChange } from "./compare.ts";
import { compressor, type Compress } from "./compress.ts";
import { join, pieces, sharedExtents, type Piece } from "./extents.ts";
import { Held } from "./held.ts";
import type { CompareJob, Offsets, SpansDone } from "./job.ts";
import type { SharedState } from "./shared.ts";
import { SpanWalk, type SpanPlan, type TakenSpans } from "./spans.ts";

/** Bytes read at a time from each side: two of them fit into a core's own cache. */
const PIECE_BYTES = 256 * 1024;

/**
 * Spans that may wait for their offsets, and the bytes that they may hold: what changed much is
 * stored before more is compared, for the sake of memory.
 */
const MOST_WAITING = 8;
const MOST_WAITING_BYTES = 2 ** 20;

interface ComparePlan extends SpanPlan {
  readonly pieces: readonly Piece[];
}

export interface Coordinator {
  tell(done: SpansDone): void;
  /** Whether the offsets of the oldest spans that wait for them are there. */
  hasOffsets(): boolean;
  /** Waits for them. */
  offsets(): Offsets | null;
}

export class SpanComparer {
  readonly #job: CompareJob;
  readonly #state: SharedState;
  readonly #base: ImageReader;
  readonly #modified: ImageReader;
  readonly #coordinator: Coordinator;
  readonly #compress: Compress | null;
  readonly #pieceBytes: number;
  readonly #baseBuffer: Buffer;
  readonly #modifiedBuffer: Buffer;
  #held: Held = new Held();
  /** Those that wait for their offsets, the oldest first, while the next span fills another. */
  readonly #waiting: Held[] = [];
  /** The last one emptied is filled first: few are then ever touched where much changes. */
  readonly #free: Held[] = [];

  constructor(
    job: CompareJob,
    state: SharedState,
    readers: { base: ImageReader; modified: ImageReader },
    coordinator: Coordinator,
  ) {
    this.#job = job;
    this.#state = state;
    this.#base = readers.base;
    this.#modified = readers.modified;
    this.#coordinator = coordinator;
    const { compression, clusterSize } = job.storing;
    this.#compress = compression === null ? null : compressor(compression, clusterSize);
    this.#pieceBytes = Math.max(PIECE_BYTES, clusterSize);
    this.#baseBuffer = Buffer.allocUnsafeSlow(this.#pieceBytes);
    this.#modifiedBuffer = Buffer.allocUnsafeSlow(this.#pieceBytes);
  }

  run(): void {
    const readers = [this.#base, this.#modified];
    const plan = (start: number, end: number): ComparePlan => this.#plan(start, end);
    for (const spans of new SpanWalk(this.#state, readers, this.#job.virtualSize, plan)) {
      for (const piece of spans.plan?.pieces ?? []) {
        if (this.#state.cancelled) return;
        this.#comparePiece(piece, spans.plan?.start ?? 0);
      }
      this.#hand(spans);
    }
    while (this.#waiting.length > 0) this.#storeOldest();
  }

  #plan(start: number, end: number): ComparePlan {
    const found = pieces(
      this.#base.dataExtents(start, end),
      this.#modified.dataExtents(start, end),
      sameStorage(this.#job.base, this.#job.modified, start, end),
      this.#job.storing.clusterSize,
      this.#pieceBytes,
    );
    const reads = [
      { reader: this.#base, extents: join(found.filter((piece) => piece.baseHasData)) },
      { reader: this.#modified, extents: join(found.filter((piece) => piece.modifiedHasData)) },
    ];
    return { start, pieces: found, reads };
  }

  #comparePiece(piece: Piece, spanStart: number): void {
    const length = piece.end - piece.start;
    const base = piece.baseHasData ? this.#baseBuffer : null;
    const modified = piece.modifiedHasData ? this.#modifiedBuffer : null;
    if (base !== null) this.#read(this.#base, base, length, piece.start);
    if (modified !== null) this.#read(this.#modified, modified, length, piece.start);
    if (base !== null && modified !== null && isEqual(base, modified, 0, length)) return;

    const { clusterSize, split } = this.#job.storing;
    for (let at = 0; at < length; at += clusterSize) {
      const change = compareCluster(base, modified, at, at + clusterSize, split);
      if (change === undefined) continue;
      const cluster = (piece.start - spanStart + at) / clusterSize;
      this.#hold(cluster, change, modified?.subarray(at, at + clusterSize) ?? null);
    }
  }

  #read(reader: ImageReader, buffer: Buffer, length: number, offset: number): void {
    reader.read(buffer, length, offset);
    this.#state.didRead(length);
  }

  #hold(cluster: number, change: ClusterChange, bytes: Buffer | null): void {
    const { fd } = this.#job.storing;
    if (bytes === null || change.dataBits === 0) {
      this.#held.add({ cluster, length: 0, ...change }, null);
      return;
    }
    const compressed = this.#compress?.(bytes) ?? null;
    const stored = compressed ?? bytes;
    const whole = { dataBits: ALL_SUBCLUSTERS, zeroBits: 0 };
    const recorded = compressed === null ? change : whole;
    this.#held.add({ cluster, length: stored.length, ...recorded }, fd === null ? null : stored);
  }

  #hand(spans: TakenSpans<ComparePlan>): void {
    const held = this.#held;
    const wantsOffsets = !held.isEmpty;
    const changes = held.changes.count === 0 ? null : held.changes.take();
    const { worker } = this.#job;
    this.#coordinator.tell({
      kind: "spans",
      worker,
      first: spans.first,
      end: spans.end,
      changes,
      wantsOffsets,
    });
    if (!wantsOffsets) return;
    this.#waiting.push(held);
    this.#held = this.#free.pop() ?? new Held();
    while (this.#waiting.length > 0 && (this.#isFull() || this.#coordinator.hasOffsets())) {
      this.#storeOldest();
    }
  }

  #isFull(): boolean {
    const bytes = this.#waiting.reduce((sum, held) => sum + held.bytes, 0);
    return this.#waiting.length > MOST_WAITING || bytes > MOST_WAITING_BYTES;
  }

  #storeOldest(): void {
    const { fd } = this.#job.storing;
    const held = this.#waiting.shift();
    const offsets = this.#coordinator.offsets();
    if (held === undefined || fd === null || offsets === null) return;
    held.store(fd, offsets);
    this.#free.push(held);
  }
}

/** What of [start, end) is one and the same storage in both images. */
function sameStorage(base: Source, modified: Source, start: number, end: number): Extent[] {
  const mayShare = (source: Source): source is RawSource => source.kind === "raw" && source.shared;
  if (!mayShare(base) || !mayShare(modified)) return [];
  const limit = Math.min(end, base.length, modified.length);
  if (start >= limit) return [];
  return sharedExtents(
    physicalExtents(base.fd, start, limit),
    physicalExtents(modified.fd, start, limit),
  );
}
