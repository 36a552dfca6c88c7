/** The part of a kubelet that the API server calls: logs. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { ContainerLog, LogQuery } from "./container-log.ts";
import { readKeyPair, type KeyPair } from "./keys.ts";

/** The log that is asked for, or the words of a kubelet that has none. */
export type FindLog = (
  namespace: string,
  pod: string,
  container: string,
) => ContainerLog | { status: number; message: string };

export class LogServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens on the loopback device, for those alone whom the authority has signed. */
  static async start(keys: KeyPair, caPem: string, find: FindLog): Promise<LogServer> {
    const server = createServer(
      { ...readKeyPair(keys), ca: caPem, requestCert: true, rejectUnauthorized: true },
      (request, response) => answer(request, response, find),
    );
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject).listen({ port: 0, host: "127.0.0.1" }, resolve);
    await promise;
    return new LogServer(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Whoever follows a log is cut off. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
  }
}

function answer(request: IncomingMessage, response: ServerResponse, find: FindLog): void {
  const url = new URL(request.url ?? "/", "https://kubelet");
  const [root, namespace = "", pod = "", container = ""] = url.pathname.split("/").slice(1);
  if (root !== "containerLogs") return refuse(response, 404, "404 page not found");
  const query = url.searchParams;
  if (query.get("previous") === "true") {
    const what = `previous terminated container "${container}" in pod "${pod}"`;
    return refuse(response, 400, `${what} not found`);
  }
  const log = find(namespace, pod, container);
  if ("status" in log) return refuse(response, log.status, log.message);

  response.writeHead(200, { "content-type": "text/plain" });
  const asked = parse(query);
  const first = log.read(asked);
  response.write(first);
  if (query.get("follow") !== "true") return void response.end();

  let left = (asked.limitBytes ?? Infinity) - first.length;
  const more = (text: string): void => {
    const stamp = asked.timestamps === true ? `${new Date().toISOString()} ` : "";
    const bytes = Buffer.from(stamp + text);
    response.write(bytes.subarray(0, Math.min(left, bytes.length)));
    left -= bytes.length;
    if (left <= 0) response.end();
  };
  response.once(
    "close",
    log.follow(more, () => response.end()),
  );
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { "content-type": "text/plain" }).end(message);
}

function parse(query: URLSearchParams): LogQuery {
  const number = (name: string): number | undefined => {
    const text = query.get(name);
    return text === null ? undefined : Number(text);
  };
  const seconds = number("sinceSeconds");
  const time = query.get("sinceTime");
  const since = seconds === undefined ? time : Date.now() - seconds * 1000;
  return {
    tailLines: number("tailLines"),
    limitBytes: number("limitBytes"),
    since: since === null ? undefined : new Date(since),
    timestamps: query.get("timestamps") === "true",
  };
}
