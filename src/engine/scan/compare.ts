/** Tells, of two buffers of the same clusters, which clusters changed and into what. */
import { ALL_SUBCLUSTERS } from "./changes.ts";

/** What became of one cluster: which of its subclusters hold new data, which became zero. */
export interface ClusterChange {
  readonly dataBits: number;
  readonly zeroBits: number;
}

export const SUBCLUSTERS = 32;

/** Whether buffer[start, end) is all zero: its first byte is, and each equals the one before. */
export function isZero(buffer: Buffer, start: number, end: number): boolean {
  return (
    start >= end ||
    (buffer[start] === 0 && buffer.compare(buffer, start + 1, end, start, end - 1) === 0)
  );
}

export function isEqual(a: Buffer, b: Buffer, start: number, end: number): boolean {
  return a.compare(b, start, end, start, end) === 0;
}

/**
 * How one cluster changed; undefined where it did not. A null side holds only zeroes.
 * @param split whether the subclusters count one by one (extended L2).
 */
export function compareCluster(
  base: Buffer | null,
  modified: Buffer | null,
  start: number,
  end: number,
  split: boolean,
): ClusterChange | undefined {
  const same = (from: number, to: number): boolean => {
    if (base === null) return modified === null || isZero(modified, from, to);
    return modified === null ? isZero(base, from, to) : isEqual(base, modified, from, to);
  };
  const zero = (from: number, to: number): boolean =>
    modified === null || isZero(modified, from, to);

  if (same(start, end)) return undefined;
  if (!split) {
    return zero(start, end)
      ? { dataBits: 0, zeroBits: ALL_SUBCLUSTERS }
      : { dataBits: ALL_SUBCLUSTERS, zeroBits: 0 };
  }
  let dataBits = 0;
  let zeroBits = 0;
  const size = (end - start) / SUBCLUSTERS;
  for (let index = 0; index < SUBCLUSTERS; index++) {
    const from = start + index * size;
    if (same(from, from + size)) continue;
    if (zero(from, from + size)) zeroBits |= 1 << index;
    else dataBits |= 1 << index;
  }
  return { dataBits: dataBits >>> 0, zeroBits: zeroBits >>> 0 };
}
