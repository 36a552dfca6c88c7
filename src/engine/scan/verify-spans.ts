/**
 * A worker's second job: proves that overlay over base is modified. QEMU's own reader says
 * which extents the overlay holds itself and what is in them; all others it leaves to the base,
 * which is read again, shared extents included, and must be what modified is.
 */
import { Failure } from "../../report/reasons.ts";
import { quote } from "../text.ts";
import type { Extent, ImageReader } from "../image/reader.ts";
import { isEqual } from "./compare.ts";
import { join, subtract } from "./extents.ts";
import type { SpansDone, VerifyJob } from "./job.ts";
import type { SharedState } from "./shared.ts";
import { SpanWalk } from "./spans.ts";

const PIECE_BYTES = 256 * 1024;

export function verifySpans(
  job: VerifyJob,
  state: SharedState,
  readers: { base: ImageReader; modified: ImageReader; overlay: ImageReader },
  tell: (done: SpansDone) => void,
): void {
  const { base, modified, overlay } = readers;
  const left = Buffer.allocUnsafeSlow(PIECE_BYTES);
  const right = Buffer.allocUnsafeSlow(PIECE_BYTES);

  const requireEqual = (reader: ImageReader, extents: readonly Extent[]): void => {
    for (const extent of extents) {
      for (let start = extent.start; start < extent.end && !state.cancelled; start += PIECE_BYTES) {
        const length = Math.min(PIECE_BYTES, extent.end - start);
        reader.read(left, length, start);
        modified.read(right, length, start);
        state.didRead(2 * length);
        if (!isEqual(left, right, 0, length)) throw differs(job, left, right, start);
      }
    }
  };

  for (const { first, end, range } of new SpanWalk(
    state,
    [base, modified, overlay],
    job.virtualSize,
  )) {
    if (range !== null) {
      const own = overlay.dataExtents(range.start, range.end);
      const data = [base, modified].flatMap((reader) => reader.dataExtents(range.start, range.end));
      requireEqual(overlay, own);
      requireEqual(base, subtract(join(data), own));
    }
    tell({ kind: "spans", worker: job.worker, first, end, changes: null, wantsOffsets: false });
  }
}

function differs(job: VerifyJob, left: Buffer, right: Buffer, start: number): Failure {
  let at = 0;
  while (left[at] === right[at]) at++;
  return new Failure(
    "VerificationFailed",
    `The overlay over its backing file is not ${quote(job.modified.name)}: they differ at byte ` +
      `${start + at} of the disk. Do not use the overlay; if the images did not change, please ` +
      "report this.",
  );
}
