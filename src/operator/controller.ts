/** The controller: caches, queue, reconciler, election and HTTP server put together. */
import { Client } from "../kube/client.ts";
import { isConflict } from "../kube/api-error.ts";
import { Election } from "../kube/election.ts";
import { EventRecorder } from "../kube/events.ts";
import { guarded } from "../kube/guard.ts";
import type { Log } from "../kube/log.ts";
import { observed } from "../kube/observed.ts";
import type { Transport } from "../kube/transport.ts";
import { WorkQueue } from "../kube/work-queue.ts";
import { StatusWriter } from "./act/status-writer.ts";
import { Metrics } from "./metrics.ts";
import { Caches } from "./observe/caches.ts";
import { Observer } from "./observe/observe.ts";
import { Places } from "./observe/places.ts";
import type { Settings } from "./plan/observation.ts";
import { Reconciler } from "./reconcile.ts";
import { listeners } from "./wake.ts";
import { VERSION } from "../version.ts";

export interface ControllerOptions {
  transport: Transport;
  log: Log;
  settings: Settings;
  /** Namespaces to watch; empty for all. */
  namespaces: readonly string[];
  /** Resources that are looked at at the same time. */
  concurrency: number;
  /** Where the lease is; absent for a controller that is alone. */
  election?: { namespace: string; name: string };
  /** Unique name of this replica: its pod's. */
  identity: string;
}

/**
 * How long what has begun may take once the controller is asked to end. The lease is given back
 * after that, and all of it must be over before Kubernetes kills the pod, 30 seconds later.
 */
const FAREWELL_SECONDS = 10;

/** How the API server's audit log names who asks. */
const USER_AGENT = `imagediff/${VERSION}`;

/** How events name who tells. */
const EVENTS_CONTROLLER = "imagediff.io/controller";

export class Controller {
  readonly metrics: Metrics;
  readonly #options: ControllerOptions;
  readonly #caches: Caches;
  readonly #places: Places;
  readonly #queue: WorkQueue;
  readonly #reconciler: Reconciler;
  readonly #events: EventRecorder;
  readonly #election: Election | undefined;
  /** Ends the requests that take too long for a farewell. */
  readonly #tooLate = new AbortController();

  constructor(options: ControllerOptions) {
    this.#options = options;
    const { log, settings, election, identity, namespaces, concurrency } = options;
    this.metrics = new Metrics({
      queueDepth: () => (this.#queue.running ? this.#queue.depth : 0),
      leading: () => this.leading,
      imageDiffs: () => this.#caches.imageDiffs.all(),
    });
    const counted = observed(options.transport, ({ method, status }) =>
      this.metrics.requested(method, status),
    );
    // Whoever does not lead, or was frozen for so long that another may lead, writes nothing.
    const client = new Client(
      until(
        this.#tooLate.signal,
        guarded(counted, () => this.leading),
      ),
      { userAgent: USER_AGENT },
    );
    const unguarded = new Client(counted, { userAgent: USER_AGENT });
    this.#election = election && new Election({ client: unguarded, ...election, identity, log });
    this.#caches = new Caches(
      {
        client,
        namespaces,
        log,
        hooks: {
          relisted: ({ kind }) => this.metrics.relisted(kind),
          watchEnded: ({ kind }, why) => this.metrics.watchEnded(kind, why),
        },
      },
      listeners({
        caches: () => this.#caches,
        places: () => this.#places,
        // Whoever comes to lead looks at everything: until then nothing has to be remembered.
        wake: (key) => this.#queue.running && this.#queue.add(key),
        wakeWaiting: () => this.#wakeWaiting(),
        placed: () => {
          if (settings.maxJobsPerNode !== undefined) this.#wakeWaiting();
        },
        forget: (uid) => this.#reconciler.forget(uid),
      }),
    );
    const { jobs, pods } = this.#caches;
    this.#places = new Places(jobs, pods, () => this.#wakeWaiting());
    this.#events = new EventRecorder({
      client,
      controller: EVENTS_CONTROLLER,
      instance: identity,
      log,
    });
    this.#reconciler = new Reconciler({
      client,
      caches: this.#caches,
      observer: new Observer({ client, caches: this.#caches, places: this.#places, settings, log }),
      places: this.#places,
      statuses: new StatusWriter(client),
      events: this.#events,
      log,
      onStatus: (resource, status) => this.metrics.statusWritten(resource.status, status),
    });
    this.#queue = new WorkQueue({
      concurrency,
      handle: async (key) => this.#handle(key),
      onError: (key, error, retryInSeconds) => {
        const [namespace, name = ""] = key.split("/");
        const uid = this.#caches.imageDiffs.get({ namespace, name })?.metadata?.uid;
        const about = { namespace, name, uid, retryInSeconds };
        log.warn({ ...about, error: messageOf(error) }, "will try again");
      },
    });
  }

  /** Whether every cache has been filled. */
  get ready(): boolean {
    return this.#caches.synced;
  }

  /** Whether this replica may write at this moment. */
  get leading(): boolean {
    return this.#election === undefined || this.#election.leading;
  }

  /** Works until the signal, then ends in order: what has begun is finished, the lease released. */
  async run(signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    signal.addEventListener("abort", () => this.#takeLeave(), { once: true });
    // A replica that does not lead keeps its caches too: it takes over at once.
    const caches = this.#caches.run(signal);
    const lead = async (leading: AbortSignal): Promise<void> => {
      log.info({}, "leads");
      await Promise.race([this.#caches.whenSynced(), aborted(leading)]);
      if (leading.aborted) return;
      for (const { metadata } of this.#caches.imageDiffs.all()) {
        this.#queue.add(`${metadata?.namespace}/${metadata?.name}`);
      }
      for (const key of this.#places.keys()) this.#queue.add(key);
      await this.#queue.run(leading);
      await this.#events.flush();
    };
    if (this.#election === undefined) await lead(signal);
    else await this.#election.run(lead, signal);
    await caches;
  }

  async #handle(key: string): Promise<{ lookAgainSeconds?: number }> {
    const begun = performance.now();
    const seconds = () => (performance.now() - begun) / 1000;
    const wasWaiting = this.#places.isWaiting(key);
    try {
      const result = await this.#reconciler.reconcile(key);
      this.metrics.reconciled("success", seconds());
      return result;
    } catch (error) {
      this.metrics.reconciled(isConflict(error) ? "conflict" : "error", seconds());
      throw error;
    } finally {
      // It may have left the line without taking a place.
      if (wasWaiting && !this.#places.isWaiting(key)) this.#wakeWaiting();
    }
  }

  #takeLeave(): void {
    const why = new Error("the controller is to end, and does not wait any longer");
    setTimeout(() => this.#tooLate.abort(why), FAREWELL_SECONDS * 1000).unref();
  }

  #wakeWaiting(): void {
    if (!this.#queue.running) return;
    const free = this.#places.free(this.#options.settings.maxJobs);
    for (const key of this.#places.next(free)) this.#queue.add(key);
  }
}

/** The transport until a signal: what is under way then ends with it. */
function until(end: AbortSignal, transport: Transport): Transport {
  return async (request) =>
    transport({ ...request, signal: AbortSignal.any([request.signal, end]) });
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
