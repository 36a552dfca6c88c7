/** The controller's HTTP server: whether it lives, whether it is ready, and its metrics. */
import { createServer, type Server, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { Registry } from "prom-client";

export interface HttpOptions {
  /** Address and port, such as `0.0.0.0:8080` or `[::]:8080`; port 0 takes a free one. */
  listen: { host: string; port: number };
  /** Whether the process should go on; else it is to be restarted. */
  live: () => boolean;
  /** Whether the controller knows the cluster well enough to decide. */
  ready: () => boolean;
  metrics: Registry;
}

/**
 * Serves `/livez`, `/readyz` and `/metrics`.
 * @throws Error of the system if the address cannot be listened on.
 */
export async function serveHttp(
  options: HttpOptions,
): Promise<{ port: number; close: () => Promise<void> }> {
  const server = createServer((request, response) => {
    void answer(options, request.url ?? "", response);
  });
  server.listen(options.listen);
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, close: async () => close(server) };
}

async function answer(options: HttpOptions, url: string, response: ServerResponse): Promise<void> {
  const [path] = url.split("?");
  switch (path) {
    case "/livez":
      return say(response, options.live());
    case "/readyz":
      return say(response, options.ready());
    case "/metrics": {
      const text = await options.metrics.metrics();
      response.writeHead(200, { "content-type": options.metrics.contentType }).end(text);
      return;
    }
    default:
      response.writeHead(404).end("not found: ask for /livez, /readyz or /metrics\n");
  }
}

function say(response: ServerResponse, good: boolean): void {
  response.writeHead(good ? 200 : 503, { "content-type": "text/plain" });
  response.end(good ? "ok\n" : "not yet\n");
}

async function close(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}
