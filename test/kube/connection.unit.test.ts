import type { ServerResponse } from "node:http";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { readText } from "../../src/kube/body.ts";
import { Client } from "../../src/kube/client.ts";
import { connect } from "../../src/kube/connection.ts";
import { NoAnswer, type HttpRequest } from "../../src/kube/transport.ts";
import { connected, json, kubeConfig, serve } from "./http-server.ts";
import { stored, Things } from "./objects.ts";

afterEach(() => void vi.useRealTimers());

const key = { namespace: "default", name: "a" };
const object = stored("a", "uid", "5");

function get(path = "/", signal = new AbortController().signal): HttpRequest {
  return { method: "GET", path, signal };
}

test("a hundred requests need one or two connections", async () => {
  const server = await serve((_, response) => json(response, object));
  const client = new Client(connected(server.url));
  for (let i = 0; i < 100; i += 1) await client.get(Things, key);
  expect(server.connections).toBeLessThanOrEqual(2);
});

test("a watch that the server ends in order leaves its connection to the next", async () => {
  const server = await serve((_, response) => response.end());
  const client = new Client(connected(server.url));
  const { signal } = new AbortController();
  for (let i = 0; i < 20; i += 1) {
    const options = { resourceVersion: "1", timeoutSeconds: 40, signal };
    expect(await Array.fromAsync(client.watch(Things, options))).toEqual([]);
  }
  expect(server.connections).toBeLessThanOrEqual(2);
});

test("requests arrive as they were meant, a path before the API's included", async () => {
  const seen: unknown[] = [];
  const server = await serve(({ method, url, headers }, response) => {
    seen.push([
      method,
      url,
      headers["user-agent"],
      headers["content-type"],
      headers["content-length"],
    ]);
    json(response, object);
  });
  const client = new Client(connected(`${server.url}/clusters/c-1/`), { userAgent: "imagediff/1" });
  await client.get(Things, key);
  await client.mergePatch(Things, key, { value: "ä" });
  await client.text(Things, { ...key, subresource: "log" }, { container: "a&b=c" });
  const path = "/clusters/c-1/apis/example.org/v1/namespaces/default/things/a";
  expect(seen).toEqual([
    ["GET", path, "imagediff/1", undefined, undefined],
    ["PATCH", path, "imagediff/1", "application/merge-patch+json", "14"],
    ["GET", `${path}/log?container=a%26b%3Dc`, "imagediff/1", undefined, undefined],
  ]);
});

test("the head of an answer, with names in lower case", async () => {
  const server = await serve((_, response) => {
    response.writeHead(429, { "Retry-After": "3", "X-Many": ["a", "b"] }).end("busy");
  });
  const { status, headers, body } = await connected(server.url)(get());
  expect([status, headers["retry-after"], headers["x-many"]]).toEqual([429, "3", "a, b"]);
  expect(await readText(body)).toBe("busy");
});

test("a token's file is read again, and its newline is none of the token", async () => {
  const folder = mkdtempSync(join(tmpdir(), "imagediff-token-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const tokenFile = join(folder, "token");
  const seen: unknown[] = [];
  const server = await serve(({ headers }, response) => {
    seen.push(headers.authorization);
    json(response, object);
  });
  const transport = connected(server.url, {
    authProvider: { name: "tokenFile", config: { tokenFile } },
  });
  vi.useFakeTimers({ toFake: ["Date"] });
  const start = Date.now();
  for (const [token, seconds] of [
    ["one", 0],
    ["two", 30],
    ["three", 120],
  ] as const) {
    writeFileSync(tokenFile, `${token}\n`);
    vi.setSystemTime(start + seconds * 1000);
    await readText((await transport(get())).body);
  }
  expect(seen).toEqual(["Bearer one", "Bearer one", "Bearer three"]);
});

test("a token that the server does not take is read again at once, even when the clock went back", async () => {
  const folder = mkdtempSync(join(tmpdir(), "imagediff-token-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const tokenFile = join(folder, "token");
  const server = await serve(({ headers }, response) => {
    json(response, object, headers.authorization === "Bearer new" ? 200 : 401);
  });
  const transport = connected(server.url, {
    authProvider: { name: "tokenFile", config: { tokenFile } },
  });
  const client = new Client(transport);
  vi.useFakeTimers({ toFake: ["Date"] });
  writeFileSync(tokenFile, "old");
  await expect(client.get(Things, key)).rejects.toMatchObject({ status: 401 });
  writeFileSync(tokenFile, "new");
  vi.setSystemTime(0);
  expect(await client.get(Things, key)).toEqual(object);
});

test("an exec plugin is asked once, and again after its token was refused", async () => {
  let accepted = "1";
  const server = await serve(({ headers }, response) => {
    json(response, object, headers.authorization === `Bearer ${accepted}` ? 200 : 401);
  });
  const folder = mkdtempSync(join(tmpdir(), "imagediff-exec-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const script =
    'echo x >> "$0.calls"; printf \'{"status":{"token":"%s"}}\' "$(wc -l < "$0.calls")"';
  const exec = { command: "sh", args: ["-c", script, join(folder, "plugin")] };
  const client = new Client(connected(server.url, { exec }));
  await client.get(Things, key);
  await client.get(Things, key);
  accepted = "2";
  await expect(client.get(Things, key)).rejects.toMatchObject({ status: 401 });
  await client.get(Things, key);
});

test("a broken connection is told, be it before, within or instead of the answer", async () => {
  const server = await serve(({ url, socket }, response) => {
    if (url?.includes("within") === true)
      response.writeHead(200).write("{", () => socket.destroy());
    else socket.destroy();
  });
  const client = new Client(connected(server.url));
  await expect(client.get(Things, key)).rejects.toThrow(
    "Cannot get Thing default/a: other side closed.",
  );
  await expect(client.get(Things, { ...key, name: "within" })).rejects.toThrow(
    /default\/within: .+\./,
  );
  const away = new Client(connected("http://127.0.0.1:1"));
  await expect(away.get(Things, key)).rejects.toThrow("connect ECONNREFUSED 127.0.0.1:1.");
});

/** A server that has two idle connections with us, and that answers the next request like this. */
async function twoIdle(next: (response: ServerResponse) => void) {
  const used: Array<Socket | null> = [];
  const held: ServerResponse[] = [];
  const server = await serve((_, response) => {
    used.push(response.socket);
    held.push(response);
    if (used.length > 3) response.end("fine");
    if (used.length === 3) next(response);
    if (used.length === 2) for (const one of held) one.end("fine");
  });
  const transport = connected(server.url);
  const read = async (signal?: AbortSignal): Promise<string> =>
    readText((await transport(get("/", signal))).body);
  await Promise.all([read(), read()]);
  return { used, read };
}

test.each([
  ["that was closed", (response: ServerResponse) => response.socket?.destroy()],
  [
    "that was closed within the answer",
    (response: ServerResponse) =>
      response.writeHead(200).write("x", () => response.socket?.destroy()),
  ],
])("after a connection %s no other of its time is used", async (_, next) => {
  const { used, read } = await twoIdle(next);
  await expect(read()).rejects.toThrow(/.+/);
  expect(await read()).toBe("fine");
  expect(used.indexOf(used.at(-1) ?? null)).toBe(3);
});

test("after credentials were refused no connection that was made with them is used", async () => {
  const { used, read } = await twoIdle((response) => response.writeHead(401).end("no"));
  expect(await read()).toBe("no");
  expect(await read()).toBe("fine");
  expect(used.indexOf(used.at(-1) ?? null)).toBe(3);
});

test("after an answer that did not come no other connection of its time is used", async () => {
  const stop = new AbortController();
  const { used, read } = await twoIdle(() => stop.abort(new NoAnswer("nothing came")));
  await expect(read(stop.signal)).rejects.toThrow("nothing came");
  expect(await read()).toBe("fine");
  expect(used.indexOf(used.at(-1) ?? null)).toBe(3);
});

test("after a request that its sender ended the others are used", async () => {
  const stop = new AbortController();
  const { used, read } = await twoIdle(() => stop.abort(new Error("enough")));
  await expect(read(stop.signal)).rejects.toThrow("enough");
  expect(await read()).toBe("fine");
  expect(used.indexOf(used.at(-1) ?? null)).toBeLessThan(2);
});

test("what else is under way goes on after a failure", async () => {
  let fail = false;
  const watches: Array<() => void> = [];
  const server = await serve(({ url, socket }, response) => {
    if (url?.includes("watch") === true) {
      response.writeHead(200).flushHeaders();
      watches.push(() => response.end('{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n'));
    } else if (fail) {
      socket.destroy();
    } else {
      json(response, object);
    }
  });
  const client = new Client(connected(server.url));
  const { signal } = new AbortController();
  const options = { resourceVersion: "1", timeoutSeconds: 40, signal };
  const watch = Array.fromAsync(client.watch(Things, options));
  await vi.waitUntil(() => watches.length > 0);
  fail = true;
  await expect(client.get(Things, key)).rejects.toThrow("other side closed");
  fail = false;
  await client.get(Things, key);
  watches[0]?.();
  expect(await watch).toMatchObject([{ type: "ADDED" }]);
});

/** A server whose end of each connection reads and says nothing from some moment on. */
async function blackHole(): Promise<{ url: string; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createTcpServer((socket) => {
    socket.on("error", () => undefined);
    sockets.push(socket);
    socket.pause();
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets };
}

test("a half-open connection is given up in time, and never used again", async () => {
  const { url, sockets } = await blackHole();
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const client = new Client(connected(url)).withTimeout(5000);
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    const failed = vi.fn<(error: unknown) => void>();
    const got = client.get(Things, key).catch(failed);
    await vi.waitUntil(() => sockets.length === attempt, { interval: 1 });
    await vi.advanceTimersByTimeAsync(5000);
    await got;
    expect(failed).toHaveBeenCalledExactlyOnceWith(expect.any(NoAnswer));
  }
  expect(sockets.length).toBe(3);
});

test("a body larger than the window of a half-open connection ends in time too", async () => {
  const { url } = await blackHole();
  const client = new Client(connected(url)).withTimeout(50);
  const big = { ...object, status: { text: "x".repeat(2 ** 24) } };
  await expect(client.replace(Things, big)).rejects.toBeInstanceOf(NoAnswer);
});

test("the signal ends a request at once, while it waits for its credentials too", async () => {
  const reason = new Error("enough");
  const exec = { command: "sleep", args: ["1"] };
  const server = await serve(() => {});
  for (const user of [{}, { exec }]) {
    const stop = new AbortController();
    const answer = connected(server.url, user)(get("/", stop.signal));
    stop.abort(reason);
    await expect(answer).rejects.toBe(reason);
  }
});

test("an answer that nobody reads to its end closes its connection", async () => {
  const server = await serve((_, response) => {
    response.writeHead(200);
    const more = (): void => void (response.destroyed || response.write("x".repeat(65_536), more));
    more();
  });
  const { body } = await connected(server.url)(get());
  for await (const chunk of body) {
    expect(chunk.length).toBeGreaterThan(0);
    break;
  }
  await vi.waitUntil(() => server.sockets.size === 0);
});

test("closing ends what is under way, and what comes later", async () => {
  const server = await serve((_, response) => {
    response.writeHead(200).flushHeaders();
  });
  const connection = connect(kubeConfig(server.url));
  const { body } = await connection(get());
  const failed = readText(body).catch((error: unknown) => error);
  await connection.close();
  expect(await failed).toBeInstanceOf(Error);
  await expect(connection(get())).rejects.toThrow("The connection is closed.");
  await vi.waitUntil(() => server.sockets.size === 0);
});

test("a kubeconfig without a cluster is refused", () => {
  const config = kubeConfig("http://127.0.0.1:1");
  config.setCurrentContext("none");
  expect(() => connect(config)).toThrow("The kubeconfig names no current cluster.");
});
