/** The line between a controller and the API server: bytes, whatever they mean. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { cluster } from "../cluster.ts";
import type { Access } from "../control-plane.ts";

/** Starts one for the running test; TLS goes through it untouched. */
export async function startWire(access: Access = cluster()): Promise<Wire> {
  const wire = new Wire(access);
  await wire.listen();
  onTestFinished(() => wire.close());
  return wire;
}

export class Wire {
  /** Whether new connections break at once. */
  refuses = false;
  /** How many have come. */
  connections = 0;
  readonly #access: Access;
  readonly #server: Server;
  readonly #pairs = new Set<{ near: Socket; far: Socket; dead: boolean }>();

  constructor(access: Access) {
    this.#access = access;
    this.#server = createServer((near) => this.#accept(near));
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on nothing comes through the present connections, which stay open on both sides. */
  swallow(): void {
    for (const pair of this.#pairs) pair.dead = true;
  }

  /** Breaks the present connections. */
  reset(): void {
    for (const { near } of this.#pairs) near.resetAndDestroy();
  }

  close(): void {
    this.#server.close();
    this.reset();
  }

  #accept(near: Socket): void {
    this.connections += 1;
    near.on("error", () => undefined);
    if (this.refuses) {
      near.resetAndDestroy();
      return;
    }
    const { hostname, port } = new URL(this.#access.server);
    const far = connect(Number(port), hostname).on("error", () => near.resetAndDestroy());
    const pair = { near, far, dead: false };
    this.#pairs.add(pair);
    near.on("data", (bytes) => pair.dead || far.write(bytes));
    far.on("data", (bytes) => pair.dead || near.write(bytes));
    // Even the end of one side is not told to the other of a dead line.
    near.on("close", () => {
      far.destroy();
      this.#pairs.delete(pair);
    });
    far.on("close", () => pair.dead || near.destroy());
  }
}
