/** Ports that nobody else listens on. */
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

/** Outgoing connections get ports from here on. */
function firstEphemeralPort(): number {
  const range = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8");
  return Number(range.trim().split(/\s+/)[0]);
}

/**
 * A free port on the loopback device, below those of outgoing connections: while its server is
 * away for a while, no connection can take it, and a client that calls it over and over cannot
 * happen to be given the very port as its own end, and so answer itself.
 */
export async function freePort(): Promise<number> {
  const last = Math.max(firstEphemeralPort(), 20_000);
  for (;;) {
    const port = randomInt(10_240, last);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  server.once("error", () => resolve(false));
  server.listen({ port, host: "127.0.0.1" }, () => server.close(() => resolve(true)));
  return promise;
}
