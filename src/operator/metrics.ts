/** What the controller counts, for Prometheus. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ImageDiffStatus } from "../api/status.ts";
import { Phase } from "../api/status.ts";
import type { StoredImageDiff } from "./resources.ts";

/** Where the values of gauges come from when they are asked for. */
export interface Gauges {
  queueDepth: () => number;
  leading: () => boolean;
  imageDiffs: () => Iterable<StoredImageDiff>;
}

const RECONCILE_BUCKETS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10];
const JOB_BUCKETS = [5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600];

export class Metrics {
  readonly registry = new Registry();
  readonly #reconciles = this.#counter(
    "imagediff_reconciles_total",
    "Reconciliations of an ImageDiff, by result: success, conflict or error.",
    ["result"],
  );
  readonly #reconcileSeconds = this.#histogram(
    "imagediff_reconcile_duration_seconds",
    "Seconds that a reconciliation takes.",
    RECONCILE_BUCKETS,
  );
  readonly #requests = this.#counter(
    "imagediff_api_requests_total",
    "Requests to the API server, by method and status code; code 0 where no answer came.",
    ["method", "code"],
  );
  readonly #relists = this.#counter(
    "imagediff_relists_total",
    "How often a cache was filled anew by a list, by kind of object.",
    ["kind"],
  );
  readonly #watchesEnded = this.#counter(
    "imagediff_watches_ended_total",
    "Watches that have ended, by kind of object and why: `end` in order, else what went wrong.",
    ["kind", "why"],
  );
  readonly #savedBytes = this.#counter(
    "imagediff_saved_bytes_total",
    "Bytes of storage that finished overlays take less than the images that they stand for.",
  );
  readonly #scannedBytes = this.#counter(
    "imagediff_scanned_bytes_total",
    "Bytes of virtual disk that finished ImageDiffs have compared.",
  );
  readonly #jobSeconds = this.#histogram(
    "imagediff_job_duration_seconds",
    "Seconds from the start of the work to its end, retries included, by phase at the end.",
    JOB_BUCKETS,
    ["phase"],
  );

  constructor(gauges: Gauges) {
    // A rate needs to begin at 0.
    for (const phase of ["Succeeded", "Failed"]) this.#jobSeconds.zero({ phase });
    collectDefaultMetrics({ register: this.registry });
    this.#gauge("imagediff_queue_depth", "ImageDiffs that wait to be looked at.", (gauge) =>
      gauge.set(gauges.queueDepth()),
    );
    this.#gauge("imagediff_leader", "1 where this replica leads, else 0.", (gauge) =>
      gauge.set(gauges.leading() ? 1 : 0),
    );
    this.#gauge(
      "imagediff_imagediffs",
      "ImageDiffs, by phase.",
      (gauge) => {
        const counts = new Map<string, number>(Phase.options.map((phase) => [phase, 0]));
        for (const { status } of gauges.imageDiffs()) {
          const phase = status?.phase ?? "Pending";
          counts.set(phase, (counts.get(phase) ?? 0) + 1);
        }
        for (const [phase, count] of counts) gauge.set({ phase }, count);
      },
      ["phase"],
    );
  }

  reconciled(result: "success" | "conflict" | "error", seconds: number): void {
    this.#reconciles.inc({ result });
    this.#reconcileSeconds.observe(seconds);
  }

  requested(method: string, status: number): void {
    this.#requests.inc({ method, code: String(status) });
  }

  relisted(kind: string): void {
    this.#relists.inc({ kind });
    // From here on it is watched: a rate needs to begin at 0.
    this.#watchesEnded.inc({ kind, why: "end" }, 0);
  }

  watchEnded(kind: string, why: string): void {
    this.#watchesEnded.inc({ kind, why });
  }

  /** A status was written: where it is a last one, its figures count. */
  statusWritten(before: ImageDiffStatus | undefined, after: ImageDiffStatus): void {
    if (before?.completionTime !== undefined || after.completionTime === undefined) return;
    const { startTime, completionTime, phase = "", savings, output } = after;
    if (startTime !== undefined) {
      const seconds = (Date.parse(completionTime) - Date.parse(startTime)) / 1000;
      this.#jobSeconds.observe({ phase }, seconds);
    }
    // An Estimate has no claim for its output: it saves nothing yet.
    if (output?.claimName !== undefined) {
      this.#savedBytes.inc(Math.max(0, savings?.savedBytes ?? 0));
    }
    this.#scannedBytes.inc(output?.virtualSizeBytes ?? 0);
  }

  #counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  #histogram(name: string, help: string, buckets: number[], labelNames: string[] = []): Histogram {
    return new Histogram({ name, help, buckets, labelNames, registers: [this.registry] });
  }

  #gauge(
    name: string,
    help: string,
    collect: (gauge: Gauge) => void,
    labelNames: string[] = [],
  ): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect: () => collect(gauge),
    });
  }
}
