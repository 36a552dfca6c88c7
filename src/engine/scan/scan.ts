/**
 * Runs a job on all workers, and puts what they find back into the order of the disk, so that
 * the result does not depend on which worker was faster.
 */
import { Worker } from "node:worker_threads";
import { Failure } from "../../report/reasons.ts";
import { messageOf } from "../text.ts";
import {
  SPAN_BYTES,
  type CompareJob,
  type Offsets,
  type SpansDone,
  type VerifyJob,
  type WorkerMessage,
} from "./job.ts";
import { SharedState } from "./shared.ts";

type Own = "worker" | "shared";
export type ScanJob = Omit<CompareJob, Own> | Omit<VerifyJob, Own>;

export interface ScanOptions {
  readonly workers: number;
  readonly signal: AbortSignal;
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

export async function scan(job: ScanJob, options: ScanOptions): Promise<{ bytesRead: number }> {
  const state = SharedState.forWorkers(options.workers);
  const spanCount = Math.ceil(job.virtualSize / SPAN_BYTES);
  const order = new SpanOrder();
  const workers: Worker[] = [];
  const { promise: finished, resolve, reject } = Promise.withResolvers<void>();

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

  // Scanned with no spans at all, a disk of 0 bytes needs no worker.
  let running = spanCount === 0 ? 0 : Math.min(options.workers, spanCount);
  if (running === 0) return { bytesRead: 0 };
  for (let index = 0; index < running; index++) {
    const workerData = { ...job, worker: index, shared: state.buffer };
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData });
    workers.push(worker);
    worker.on("message", (message: WorkerMessage) => {
      if (message.kind === "failed") reject(new Failure(message.reason, message.message));
      else guarded(() => order.add(message).forEach(deliver));
    });
    worker.on("error", (error) =>
      reject(new Failure("InternalError", messageOf(error), { cause: error })),
    );
    worker.on("exit", () => {
      running -= 1;
      if (running > 0) return;
      if (order.next === spanCount) resolve();
      else reject(new Failure("InternalError", "The comparison ended before the disk did."));
    });
  }

  const abort = (): void => reject(options.signal.reason);
  options.signal.addEventListener("abort", abort, { once: true });
  if (options.signal.aborted) abort();
  const silence = new Silence(state);
  const timer = setInterval(() => {
    options.onProgress(state.bytesDone);
    guarded(() => options.onSilence(silence.seconds()));
  }, PROGRESS_MILLISECONDS);
  try {
    await finished;
    return { bytesRead: state.bytesRead };
  } finally {
    clearInterval(timer);
    options.signal.removeEventListener("abort", abort);
    state.cancel();
    await Promise.all(workers.map(async (worker) => worker.terminate()));
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
