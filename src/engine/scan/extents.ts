/** Pure arithmetic on extents: which clusters of a span must be read, and from which image. */
import type { PhysicalExtent } from "../system/libc.ts";
import type { Extent } from "../image/reader.ts";

/** A run of whole clusters to compare, and which sides can hold anything but zeroes there. */
export interface Piece extends Extent {
  readonly baseHasData: boolean;
  readonly modifiedHasData: boolean;
}

export function alignDown(offset: number, unit: number): number {
  return offset - (offset % unit);
}

export function alignUp(offset: number, unit: number): number {
  return Math.ceil(offset / unit) * unit;
}

/** Extents in order and apart, from any: overlapping and touching ones are joined. */
export function join(extents: readonly Extent[]): Extent[] {
  const joined: Array<{ start: number; end: number }> = [];
  for (const extent of extents.toSorted((a, b) => a.start - b.start)) {
    const last = joined.at(-1);
    if (last !== undefined && extent.start <= last.end) last.end = Math.max(last.end, extent.end);
    else if (extent.end > extent.start) joined.push({ start: extent.start, end: extent.end });
  }
  return joined;
}

/** What of the first, in order and apart, is in none of the second, in order and apart. */
export function subtract(from: readonly Extent[], without: readonly Extent[]): Extent[] {
  const left: Extent[] = [];
  let next = 0;
  for (const { start, end } of from) {
    let at = start;
    while ((without[next]?.end ?? Infinity) <= at) next++;
    for (let index = next; at < end; index++) {
      const hole = without[index];
      if (hole === undefined || hole.start >= end) {
        left.push({ start: at, end });
        break;
      }
      if (hole.start > at) left.push({ start: at, end: hole.start });
      at = Math.max(at, hole.end);
    }
  }
  return left;
}

/**
 * What must be compared within a span, in order: every cluster that one of the images may hold
 * data in and that is not known to be the same, in runs of at most `maxBytes`.
 * @param same extents known to be equal on both sides, in order and apart.
 */
export function pieces(
  base: readonly Extent[],
  modified: readonly Extent[],
  same: readonly Extent[],
  clusterSize: number,
  maxBytes: number,
): Piece[] {
  const baseLeft = subtract(base, same);
  const modifiedLeft = subtract(modified, same);
  const runs = join(
    [...baseLeft, ...modifiedLeft].map(({ start, end }) => ({
      start: alignDown(start, clusterSize),
      end: alignUp(end, clusterSize),
    })),
  );
  // What is the same may still share a cluster with what is not: it is read there as well.
  const inBase = overlaps(base);
  const inModified = overlaps(modified);
  const result: Piece[] = [];
  for (const run of runs) {
    for (let start = run.start; start < run.end; start += maxBytes) {
      const end = Math.min(start + maxBytes, run.end);
      result.push({
        start,
        end,
        baseHasData: inBase(start, end),
        modifiedHasData: inModified(start, end),
      });
    }
  }
  return result;
}

/** Whether any extent touches [start, end), for calls with rising starts. */
function overlaps(extents: readonly Extent[]): (start: number, end: number) => boolean {
  let next = 0;
  return (start, end) => {
    while ((extents[next]?.end ?? Infinity) <= start) next++;
    return (extents[next]?.start ?? Infinity) < end;
  };
}

/** FIEMAP_EXTENT_LAST, _MERGED and _SHARED of linux/fiemap.h: all other flags leave doubts. */
const CERTAIN_FLAGS = 0x1 | 0x1000 | 0x2000;
const SHARED_FLAG = 0x2000;

/**
 * The extents of the two files that lie at the same place on storage, marked as shared: one
 * copy serves both, so their bytes are the same.
 */
export function sharedExtents(
  a: readonly PhysicalExtent[],
  b: readonly PhysicalExtent[],
): Extent[] {
  const certain = (extent: PhysicalExtent): boolean =>
    (extent.flags & SHARED_FLAG) !== 0 && (extent.flags & ~CERTAIN_FLAGS) === 0;
  const left = a.filter(certain);
  const right = b.filter(certain);
  const shared: Extent[] = [];
  for (let i = 0, j = 0; i < left.length && j < right.length;) {
    const x = left[i] as PhysicalExtent;
    const y = right[j] as PhysicalExtent;
    const start = Math.max(x.logical, y.logical);
    const end = Math.min(x.logical + x.length, y.logical + y.length);
    const samePlace = x.physical - BigInt(x.logical) === y.physical - BigInt(y.logical);
    if (start < end && samePlace) shared.push({ start, end });
    if (x.logical + x.length <= y.logical + y.length) i++;
    else j++;
  }
  return join(shared);
}
