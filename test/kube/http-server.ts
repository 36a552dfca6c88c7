/** An HTTP server of this machine that a test answers for, and that counts connections. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { KubeConfig } from "@kubernetes/client-node";
import { onTestFinished } from "vitest";
import { connect, type Connection } from "../../src/kube/connection.ts";

export interface TestServer {
  url: string;
  /** Connections that were ever opened. */
  connections: number;
  /** Those that are open. */
  sockets: Set<Socket>;
}

/** Ends with the test. */
export async function serve(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<TestServer> {
  const server = createServer(answer);
  const sockets = new Set<Socket>();
  const test = { url: "", connections: 0, sockets };
  server.on("connection", (socket) => {
    test.connections += 1;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  test.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return test;
}

export function kubeConfig(server: string, user: object = {}): KubeConfig {
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: "test", server, skipTLSVerify: true }],
    users: [{ name: "test", ...user }],
    contexts: [{ name: "test", cluster: "test", user: "test" }],
    currentContext: "test",
  });
  return config;
}

/** Closed when the test ends. */
export function connected(server: string, user: object = {}): Connection {
  const connection = connect(kubeConfig(server, user));
  onTestFinished(async () => connection.close());
  return connection;
}

/** Answers with JSON. */
export function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}
