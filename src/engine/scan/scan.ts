/**
 * Runs a job on all workers, and puts what they find back into the order of the disk, so that
 * the result does not depend on which worker was faster.
 */
import { Failure } from "../../report/reasons.ts";
import type { RunControl } from "../request.ts";
import { messageOf } from "../text.ts";
import {
  SPAN_BYTES,
  type CompareJob,
  type Offsets,
  type SpansDone,
  type VerifyJob,
  type WorkerMessage,
} from "./job.ts";
import type { WorkerPool } from "./pool.ts";
import { SharedState } from "./shared.ts";

type Own = "worker" | "shared";
export type ScanJob = Omit<CompareJob, Own> | Omit<VerifyJob, Own>;

export interface ScanOptions {
  readonly pool: WorkerPool;
  readonly control: RunControl;
  /** Called a few times a second with the bytes of the disk that are done. */
  readonly onProgress: (bytesDone: number) => void;
  /**
   * Takes the changes of one span, always in the order of the disk; says where to store those
   * that have bytes.
   */
  readonly onChanges: (spanStart: number, changes: Uint32Array) => Offsets;
  /** Called when nothing at all happened for a while; throws or returns to go on waiting. */
  readonly onSilence: (seconds: number) => void;
}

const PROGRESS_MILLISECONDS = 250;
/** For how long a failed scan waits for its workers to notice: one may hang in a read. */
const PATIENCE_MILLISECONDS = 1000;

export async function scan(job: ScanJob, options: ScanOptions): Promise<{ bytesRead: number }> {
  const spanCount = Math.ceil(job.virtualSize / SPAN_BYTES);
  const workers = options.pool.workers.slice(0, spanCount);
  if (workers.length === 0) return { bytesRead: 0 };
  const state = SharedState.forWorkers(workers.length);
  const order = new SpanOrder();
  const { promise: finished, resolve, reject } = Promise.withResolvers<void>();
  const allIdle = Promise.withResolvers<void>();

  /** What fails in a callback fails the scan. */
  const guarded = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      reject(error);
    }
  };
  const deliver = (done: SpansDone): void => {
    if (done.changes === null) return;
    const offsets = options.onChanges((done.end - 1) * SPAN_BYTES, done.changes);
    if (!done.wantsOffsets) return;
    workers[done.worker]?.postMessage(offsets, [offsets.buffer as ArrayBuffer]);
    state.wake(done.worker);
  };
  let running = workers.length;
  const listen = (message: WorkerMessage): void => {
    if (message.kind === "spans") guarded(() => order.add(message).forEach(deliver));
    if (message.kind === "failed") reject(new Failure(message.reason, message.message));
    if (message.kind !== "ended" && message.kind !== "failed") return;
    if (--running > 0) return;
    allIdle.resolve();
    resolve();
  };
  const fail = (error: unknown): void =>
    reject(new Failure("InternalError", messageOf(error), { cause: error }));
  const gone = (): void => fail(new Error("a worker thread ended in mid-run"));
  const { signal } = options.control;
  const abort = (): void => reject(signal.reason);

  for (const worker of workers) {
    worker.on("message", listen).on("error", fail).on("exit", gone);
  }
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  const silence = new Silence(state);
  const timer = setInterval(() => {
    options.onProgress(state.bytesDone);
    guarded(() => options.onSilence(silence.seconds()));
  }, PROGRESS_MILLISECONDS);
  try {
    workers.forEach((_, worker) => {
      options.pool.start(worker, { ...job, worker, shared: state.buffer });
    });
    await finished;
    if (order.next !== spanCount) throw new Error("the scan ended before the disk did");
    return { bytesRead: state.bytesRead };
  } catch (error) {
    // Files must not be closed, nor removed, below a worker that still uses them; one that
    // waits for a program that hangs is freed by the program's end.
    state.cancel();
    options.control.endPrograms();
    // Nor may a worker be ended while it sets native code up: that would end the whole process.
    const patience = setTimeout(allIdle.resolve, PATIENCE_MILLISECONDS);
    await allIdle.promise;
    clearTimeout(patience);
    await options.pool.stop();
    throw error;
  } finally {
    clearInterval(timer);
    signal.removeEventListener("abort", abort);
    for (const worker of workers) {
      worker.off("message", listen).off("error", fail).off("exit", gone);
    }
  }
}

/** Spans done, put back into their order. */
export class SpanOrder {
  readonly #early = new Map<number, SpansDone>();
  /** The first span that is not in order yet. */
  next = 0;

  /** Takes what a worker did; gives all that is now in order, first to last. */
  add(done: SpansDone): SpansDone[] {
    this.#early.set(done.first, done);
    const ready: SpansDone[] = [];
    for (
      let found = this.#early.get(this.next);
      found !== undefined;
      found = this.#early.get(this.next)
    ) {
      this.#early.delete(this.next);
      this.next = found.end;
      ready.push(found);
    }
    return ready;
  }
}

/** For how long no worker got anything done. */
class Silence {
  readonly #state: SharedState;
  #activity: number;
  #since = performance.now();

  constructor(state: SharedState) {
    this.#state = state;
    this.#activity = state.activity;
  }

  seconds(): number {
    const now = performance.now();
    if (this.#state.activity !== this.#activity) {
      this.#activity = this.#state.activity;
      this.#since = now;
    }
    return (now - this.#since) / 1000;
  }
}
