/** Stands between a controller and the API server, and reads what goes to and fro. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type { Readable } from "node:stream";
import { Agent, request, type Dispatcher } from "undici";
import { onTestFinished } from "vitest";
import { cluster } from "../cluster.ts";
import type { Access } from "../control-plane.ts";
import { Authority, readKeyPair, type KeyPair } from "../keys.ts";

/** A request on its way. */
export interface Passage {
  method: string;
  /** Without the query. */
  path: string;
  query: URLSearchParams;
  body: string;
  watch: boolean;
  /** Changes something, be it the lease. */
  write: boolean;
  lease: boolean;
}

export interface Answer {
  status: number;
  headers?: Record<string, string | string[] | undefined>;
  body: string | Readable;
}

/** What becomes of a request: an answer, or undefined for a connection that breaks. */
export type Rule = (
  passage: Passage,
  forward: () => Promise<Answer>,
) => Promise<Answer | undefined>;

/** As if there were no proxy. */
export const pass: Rule = async (_, forward) => forward();

/** Starts one for the running test, which lets everything pass until it is given a rule. */
export async function startProxy(access: Access = cluster()): Promise<Proxy> {
  const proxy = new Proxy(access, readKeyPair(await keysIn(access.folder)));
  await proxy.listen();
  onTestFinished(async () => proxy.close());
  return proxy;
}

/** By the folder of the control plane: making them takes a moment. */
const keys = new Map<string, Promise<KeyPair>>();

async function keysIn(folder: string): Promise<KeyPair> {
  const authority = Authority.at(join(folder, "keys"));
  const made = keys.get(folder) ?? authority.sign(`proxy-${randomUUID()}`, "proxy");
  keys.set(folder, made);
  return made;
}

export class Proxy {
  rule: Rule = pass;
  readonly #access: Access;
  readonly #dispatcher: Dispatcher;
  readonly #server: Server;

  /** @param identity with which it says that it is the API server. */
  constructor(access: Access, identity: { cert: string; key: string }) {
    this.#access = access;
    this.#dispatcher = new Agent({
      connect: { ca: access.caPem },
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    this.#server = createServer(identity, (incoming, response) => {
      void this.#handle(incoming, response).catch(() => response.destroy());
    });
    this.#server.requestTimeout = 0;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Breaks every connection that there is. */
  reset(): void {
    this.#server.closeAllConnections();
  }

  async close(): Promise<void> {
    this.#server.close();
    this.reset();
    await this.#dispatcher.destroy();
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "" } = incoming;
    const { pathname, searchParams } = new URL(url, this.#access.server);
    const watch = searchParams.get("watch") === "true";
    const body = await text(incoming);
    const passage: Passage = {
      ...{ method, path: pathname, query: searchParams, body, watch },
      write: method !== "GET",
      lease: pathname.includes("/leases"),
    };
    const answer = await this.rule(passage, async () => this.#forward(incoming, response, body));
    if (answer === undefined) {
      incoming.socket.resetAndDestroy();
      return;
    }
    response.writeHead(answer.status, answer.headers);
    if (typeof answer.body === "string") {
      response.end(answer.body);
      return;
    }
    // Of a watch there may be nothing more to tell for a minute.
    response.flushHeaders();
    await pipeline(answer.body, response);
  }

  async #forward(
    { method = "GET", url = "", headers }: IncomingMessage,
    response: ServerResponse,
    body: string,
  ): Promise<Answer> {
    // Whoever asked may be gone: the API server is to know.
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const { authorization, accept } = headers;
    const answer = await request(new URL(url, this.#access.server), {
      method,
      headers: {
        ...(authorization === undefined ? {} : { authorization }),
        ...(accept === undefined ? {} : { accept }),
        ...(headers["user-agent"] === undefined ? {} : { "user-agent": headers["user-agent"] }),
        ...(headers["content-type"] === undefined
          ? {}
          : { "content-type": headers["content-type"] }),
      },
      body: body === "" ? null : body,
      dispatcher: this.#dispatcher,
      signal: gone.signal,
    });
    const { "content-type": type, "retry-after": retryAfter } = answer.headers;
    const kept = { "content-type": type, "retry-after": retryAfter };
    return {
      status: answer.statusCode,
      headers: Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined)),
      body: answer.body,
    };
  }
}

/** An answer of the API server as it refuses. */
export function refusal(
  status: number,
  reason: string,
  headers: Record<string, string> = {},
): Answer {
  return {
    status,
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({
      kind: "Status",
      apiVersion: "v1",
      status: "Failure",
      code: status,
      reason,
    }),
  };
}

/** Reads all of an answer, so that its body can be delivered later or not at all. */
export async function whole({ body, ...answer }: Answer): Promise<Answer> {
  return { ...answer, body: typeof body === "string" ? body : await text(body) };
}
