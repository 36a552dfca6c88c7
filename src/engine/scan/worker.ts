/** A worker thread's start: opens its readers, does its job, and tells how it ended. */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { Failure } from "../../report/reasons.ts";
import { openReader, type ImageReader, type Source } from "../image/reader.ts";
import { messageOf } from "../text.ts";
import { SpanComparer, type Coordinator } from "./compare-spans.ts";
import type { Job, Offsets, WorkerMessage } from "./job.ts";
import { SharedState } from "./shared.ts";
import { verifySpans } from "./verify-spans.ts";

const job = workerData as Job;
const port = parentPort;
if (port === null) throw new Error("worker.ts runs as a worker thread only");
const state = new SharedState(job.shared);
const readers: ImageReader[] = [];

function open(source: Source): ImageReader {
  const reader = openReader(source);
  readers.push(reader);
  return reader;
}

function tell(message: WorkerMessage): void {
  port?.postMessage(
    message,
    message.kind === "spans" && message.changes !== null
      ? [message.changes.buffer as ArrayBuffer]
      : [],
  );
}

let received = 0;
const coordinator: Coordinator = {
  tell,
  offsets() {
    state.waitForWake(job.worker, received++);
    const mail: { message: Offsets } | undefined = receiveMessageOnPort(port);
    return mail?.message ?? null;
  },
};

try {
  const base = open(job.base);
  const modified = open(job.modified);
  if (job.kind === "compare") {
    new SpanComparer(job, state, { base, modified }, coordinator).run();
  } else {
    verifySpans(job, state, { base, modified, overlay: open(job.overlay) }, tell);
  }
} catch (error) {
  const reason = error instanceof Failure ? error.reason : "InternalError";
  const trace = error instanceof Error ? error.stack : undefined;
  const message = error instanceof Failure ? error.message : (trace ?? messageOf(error));
  tell({ kind: "failed", reason, message });
} finally {
  for (const reader of readers) reader.close();
}
