/** The connection to the API server that a kubeconfig, or a pod's service account, describes. */
import { HttpMethod, KubeConfig, RequestContext } from "@kubernetes/client-node";
import { Agent, request, type Dispatcher } from "undici";
import { NoAnswer, type HttpRequest, type HttpResponse, type Transport } from "./transport.ts";

export type Connection = Transport & {
  /** Ends everything that is under way. */
  close(): Promise<void>;
};

/**
 * HTTP/1.1, so that each request, each watch above all, has a connection of its own to break.
 * The caller's signal ends what takes too long.
 */
const HTTP = { allowH2: false, headersTimeout: 0, bodyTimeout: 0 };

/** TCP's, as client-go sets it. */
const KEEPALIVE_MILLISECONDS = 30_000;

/**
 * Connections are kept and used again. There are as many as there are requests at one time: a
 * bound is for the callers, here it would let slow requests keep a lease from being renewed.
 * @throws Error where the kubeconfig names no current cluster.
 */
export function connect(kubeConfig: KubeConfig): Connection {
  const server = kubeConfig.getCurrentCluster()?.server.replace(/\/+$/, "");
  if (server === undefined) throw new Error("The kubeconfig names no current cluster.");
  let credentials = kubeConfig;
  let closed = false;
  let pool: Dispatcher | undefined;
  const pools = new Set<Dispatcher>();

  const transport = async (options: HttpRequest): Promise<HttpResponse> => {
    if (closed) throw new Error("The connection is closed.");
    const { method, path, signal } = options;
    const query = new URLSearchParams(options.query).toString();
    const url = `${server}${path}${query === "" ? "" : `?${query}`}`;
    const used = credentials;
    const context = new RequestContext(url, HttpMethod[method]);
    await unlessAborted(signal, used.applySecurityAuthentication(context));
    // The library makes a new one for each request, with a new connection.
    const dispatcher = pool ?? keep(context.getDispatcher());
    const retire = (): void => {
      if (pool !== dispatcher || closed) return;
      pool = undefined;
      // What is under way goes on.
      dispatcher.close().then(
        () => pools.delete(dispatcher),
        () => undefined,
      );
    };
    try {
      const answer = await unlessAborted(
        signal,
        request(url, {
          ...HTTP,
          method,
          headers: { ...trimmed(context.getHeaders()), ...options.headers },
          body: options.body ?? null,
          signal,
          dispatcher,
        }),
      );
      if (answer.statusCode === 401) {
        // As client-go does: the token is read again, and an exec plugin run again.
        if (credentials === used) credentials = afresh(used);
        retire();
      }
      return {
        status: answer.statusCode,
        headers: single(answer.headers),
        body: attended(answer.body, () => isBroken(signal) && retire()),
      };
    } catch (error) {
      // What else is in the pool may be as dead, or know only an old certificate.
      if (isBroken(signal)) retire();
      throw error;
    }
  };

  const keep = (dispatcher: Dispatcher | undefined): Dispatcher => {
    // The library makes none where there is nothing of TLS to set.
    pool = dispatcher ?? new Agent({ connect: { keepAliveInitialDelay: KEEPALIVE_MILLISECONDS } });
    pools.add(pool);
    return pool;
  };

  const close = async (): Promise<void> => {
    closed = true;
    await Promise.all([...pools].map(async (one) => one.destroy()));
  };
  return Object.assign(transport, { close });
}

/** The same configuration without what its authenticators remember. */
function afresh(kubeConfig: KubeConfig): KubeConfig {
  const copy = new KubeConfig();
  copy.loadFromOptions(kubeConfig);
  return copy;
}

/** Whether a request that failed did so by itself, or because nothing came. */
function isBroken(signal: AbortSignal): boolean {
  return !signal.aborted || signal.reason instanceof NoAnswer;
}

/** The result, unless the signal aborts first: undici does not look at it while it connects. */
async function unlessAborted<T>(signal: AbortSignal, result: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const end = (): void => reject(signal.reason);
  if (signal.aborted) end();
  signal.addEventListener("abort", end);
  try {
    return await Promise.race([result, promise]);
  } finally {
    signal.removeEventListener("abort", end);
  }
}

async function* attended(
  body: AsyncIterable<Uint8Array>,
  onError: () => void,
): AsyncGenerator<Uint8Array, void> {
  try {
    yield* body;
  } catch (error) {
    onError();
    throw error;
  }
}

/** A token's file may end with a newline, which no header may hold. */
function trimmed(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.trim()]));
}

function single(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, [value ?? ""].flat().join(", ")]),
  );
}
