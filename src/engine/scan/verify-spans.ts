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
import { SpanWalk, type SpanPlan } from "./spans.ts";

const PIECE_BYTES = 128 * 1024;

interface VerifyPlan extends SpanPlan {
  /** What the overlay holds itself. */
  readonly own: readonly Extent[];
  /** What it leaves to the base, where there is any data. */
  readonly left: readonly Extent[];
}

export function verifySpans(
  job: VerifyJob,
  state: SharedState,
  readers: { base: ImageReader; modified: ImageReader; overlay: ImageReader },
  tell: (done: SpansDone) => void,
): void {
  const { base, modified, overlay } = readers;
  const ours = Buffer.allocUnsafeSlow(PIECE_BYTES);
  const theirs = Buffer.allocUnsafeSlow(PIECE_BYTES);

  const requireEqual = (reader: ImageReader, extents: readonly Extent[]): void => {
    for (const extent of extents) {
      for (let start = extent.start; start < extent.end && !state.cancelled; start += PIECE_BYTES) {
        const length = Math.min(PIECE_BYTES, extent.end - start);
        reader.read(ours, length, start);
        modified.read(theirs, length, start);
        state.didRead(2 * length);
        if (!isEqual(ours, theirs, 0, length)) throw differs(job, ours, theirs, start);
      }
    }
  };

  const plan = (start: number, end: number): VerifyPlan => {
    const own = overlay.dataExtents(start, end);
    const data = [base, modified].flatMap((reader) => reader.dataExtents(start, end));
    const left = subtract(join(data), own);
    const reads = [
      { reader: base, extents: left },
      { reader: modified, extents: join([...left, ...own]) },
    ];
    return { start, own, left, reads };
  };
  const all = [base, modified, overlay];
  for (const { first, end, plan: found } of new SpanWalk(state, all, job.virtualSize, plan)) {
    requireEqual(overlay, found?.own ?? []);
    requireEqual(base, found?.left ?? []);
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
