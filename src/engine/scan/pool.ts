/** The worker threads of a run: they start while the images are opened, and serve every scan. */
import { Worker } from "node:worker_threads";
import type { Job } from "./job.ts";

/** The bundle that images carry has the worker beside it as plain JavaScript. */
declare const IMAGEDIFF_BUNDLE: string | undefined;
const program = typeof IMAGEDIFF_BUNDLE === "undefined" ? "./worker.ts" : "./worker.mjs";

export class WorkerPool {
  readonly workers: readonly Worker[];
  readonly #loaded: ReadonlyArray<Promise<unknown>>;

  constructor(count: number) {
    this.workers = Array.from({ length: count }, () => {
      const worker = new Worker(new URL(program, import.meta.url));
      // Idle workers do not keep the process alive.
      worker.unref();
      return worker;
    });
    // The first message says so.
    this.#loaded = this.workers.map(
      async (worker) =>
        new Promise((resolve) => worker.once("message", resolve).once("exit", resolve)),
    );
  }

  start(index: number, job: Job): void {
    this.workers[index]?.postMessage(job);
  }

  /** Ends all workers; when it returns, none reads or writes any more. */
  async stop(): Promise<void> {
    // A thread that is ended while it loads native code takes the whole process with it.
    for (const worker of this.workers) worker.ref();
    await Promise.all(this.#loaded);
    await Promise.all(this.workers.map(async (worker) => worker.terminate()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
