/** A worker thread: does the jobs that it is sent, one after the other, and tells how each ended. */
import { parentPort, receiveMessageOnPort } from "node:worker_threads";
import { Failure } from "../../report/reasons.ts";
import { openReader, type ImageReader, type Source } from "../image/reader.ts";
import { messageOf } from "../text.ts";
import { SpanComparer, type Coordinator } from "./compare-spans.ts";
import type { Job, Offsets, WorkerMessage } from "./job.ts";
import { SharedState } from "./shared.ts";
import { verifySpans } from "./verify-spans.ts";

const port = parentPort;
if (port === null) throw new Error("worker.ts runs as a worker thread only");
port.on("message", (job: Job) => tell(doJob(job)));
tell({ kind: "ready" });

function tell(message: WorkerMessage): void {
  const changes = message.kind === "spans" ? message.changes : null;
  port?.postMessage(message, changes === null ? [] : [changes.buffer as ArrayBuffer]);
}

function doJob(job: Job): WorkerMessage {
  const state = new SharedState(job.shared);
  const readers: ImageReader[] = [];
  const open = (source: Source): ImageReader => {
    const reader = openReader(source);
    readers.push(reader);
    return reader;
  };
  try {
    const base = open(job.base);
    const modified = open(job.modified);
    if (job.kind === "compare") {
      new SpanComparer(job, state, { base, modified }, coordinator(job, state)).run();
    } else {
      verifySpans(job, state, { base, modified, overlay: open(job.overlay) }, tell);
    }
    return { kind: "ended" };
  } catch (error) {
    return failed(error);
  } finally {
    for (const reader of readers) reader.close();
  }
}

function coordinator(job: Job, state: SharedState): Coordinator {
  let received = 0;
  return {
    tell,
    hasOffsets: () => state.wakes(job.worker) > received,
    offsets() {
      state.waitForWake(job.worker, received++);
      const mail: { message: Offsets } | undefined =
        port === null ? undefined : receiveMessageOnPort(port);
      return mail?.message ?? null;
    },
  };
}

function failed(error: unknown): WorkerMessage {
  if (error instanceof Failure) {
    return { kind: "failed", reason: error.reason, message: error.message };
  }
  const trace = error instanceof Error ? error.stack : undefined;
  return { kind: "failed", reason: "InternalError", message: trace ?? messageOf(error) };
}
