/** One watch, on the server's side. */
import type { ApiServer } from "./api-server.ts";
import type { Selects } from "./selectors.ts";
import type { Happening } from "./store.ts";

export interface WatchLine {
  text: string;
  /** When what it tells happened, in milliseconds. */
  at: number;
}

/** Before the end the server says how far it has come. */
const BOOKMARK_SECONDS = 2;

export interface WatchRequest {
  kind: string;
  namespace: string | undefined;
  selects: Selects;
  resourceVersion: number;
  timeoutSeconds: number;
}

export class WatchStream {
  readonly #lines: WatchLine[] = [];
  readonly #timers: NodeJS.Timeout[];
  readonly #request: WatchRequest;
  readonly #unlisten: () => void;
  #ended = false;
  #wake: () => void = () => {};

  constructor(server: ApiServer, request: WatchRequest) {
    this.#request = request;
    const { timeoutSeconds, resourceVersion } = request;
    for (const happening of server.store.kind(request.kind).history) {
      if (happening.revision > resourceVersion) this.#tell(happening);
    }
    this.#unlisten = server.listen((happening) => this.#tell(happening));
    const bookmark = (): void => {
      const object = { metadata: { resourceVersion: String(server.store.revision) } };
      this.push(`{"type":"BOOKMARK","object":${JSON.stringify(object)}}\n`);
    };
    this.#timers = [
      setTimeout(bookmark, (timeoutSeconds - BOOKMARK_SECONDS) * 1000),
      setTimeout(() => this.close(), timeoutSeconds * 1000),
    ];
  }

  /** The next line; undefined where it has ended. Waits for neither. */
  shift(): WatchLine | undefined {
    return this.#lines.shift();
  }

  get ended(): boolean {
    return this.#ended && this.#lines.length === 0;
  }

  /** Resolves once there is a line, or the end, or the signal aborts. */
  async news(signal: AbortSignal): Promise<void> {
    if (this.#lines.length > 0 || this.#ended || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    signal.addEventListener("abort", this.#wake);
    await promise;
    signal.removeEventListener("abort", this.#wake);
  }

  push(text: string, at = Date.now()): void {
    this.#lines.push({ text, at });
    this.#wake();
  }

  close(): void {
    this.#ended = true;
    this.#unlisten();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#wake();
  }

  #tell({ kind, object, line, at }: Happening): void {
    const { kind: wanted, namespace, selects } = this.#request;
    if (kind !== wanted || !selects(object)) return;
    if (namespace !== undefined && object.metadata?.namespace !== namespace) return;
    this.push(line, at);
  }
}
