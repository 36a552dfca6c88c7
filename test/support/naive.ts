/** What an overlay should hold, found the simple way: both images read whole, cluster by cluster. */
import { readFileSync } from "node:fs";

export type State = "same" | "data" | "zero";

/** The state of every cluster (or subcluster) of `unit` bytes; the last one may be cut short. */
export function naiveStates(base: string, modified: string, unit: number): State[] {
  const right = readFileSync(modified);
  const left = Buffer.alloc(right.length);
  readFileSync(base).copy(left);
  const nothing = Buffer.alloc(unit);
  const states: State[] = [];
  for (let start = 0; start < right.length; start += unit) {
    const now = right.subarray(start, start + unit);
    if (now.equals(left.subarray(start, start + unit))) states.push("same");
    else states.push(now.equals(nothing.subarray(0, now.length)) ? "zero" : "data");
  }
  return states;
}

/** How many bytes of a disk of `size` bytes are in one state. */
export function bytesIn(
  states: readonly State[],
  wanted: State,
  unit: number,
  size: number,
): number {
  return states.reduce(
    (sum, state, index) => sum + (state === wanted ? Math.min(unit, size - index * unit) : 0),
    0,
  );
}
