import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Client } from "../../src/kube/client.ts";
import { NoAnswer, type HttpRequest } from "../../src/kube/transport.ts";
import { FakeApi, refusal, chunks } from "./fake-api.ts";
import { stored, thing, Things, type Thing } from "./objects.ts";
import { Pipe } from "./pipe.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const collection = "/apis/example.org/v1/namespaces/default/things";

/** Watches until it ends, and tells what it saw and how it ended. */
function follow(
  transport: FakeApi["transport"],
  resourceVersion = "100",
  signal = new AbortController().signal,
) {
  const seen: string[] = [];
  const client = new Client(transport);
  const all = async (): Promise<void> => {
    const events = client.watch(Things, {
      namespace: "default",
      resourceVersion,
      timeoutSeconds: 40,
      signal,
    });
    for await (const { type, object } of events) {
      seen.push(`${type} ${object.metadata?.name ?? object.metadata?.resourceVersion}`);
    }
  };
  const ended = all().then(
    () => "end",
    (error: unknown) => error,
  );
  return { seen, ended };
}

function body(...parts: Array<string | Uint8Array>): FakeApi["transport"] {
  return async () => ({ status: 200, headers: {}, body: chunks(...parts) });
}

const line = (type: string, object: Thing): string => `${JSON.stringify({ type, object })}\n`;

test("what happens is told in order, and then how far it has come", async () => {
  const api = new FakeApi();
  api.put(collection, thing("before"));
  const { seen, ended } = follow(api.transport, api.version);
  await vi.advanceTimersByTimeAsync(0);
  api.put(collection, thing("a", 1));
  api.put(collection, thing("a", 2));
  api.drop(collection, "a");
  await vi.advanceTimersByTimeAsync(39_000);
  expect(seen).toEqual(["ADDED a", "MODIFIED a", "DELETED a", `BOOKMARK ${api.version}`]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(await ended).toBe("end");
  expect(api.requests[0]?.query).toEqual({
    watch: "true",
    allowWatchBookmarks: "true",
    resourceVersion: "101",
    timeoutSeconds: "40",
  });
  expect(vi.getTimerCount()).toBe(0);
});

test("a version that is too old is told by the answer or by an event", async () => {
  const api = new FakeApi();
  api.put(collection, thing("a"));
  api.compact();
  expect(await follow(api.transport, "100").ended).toMatchObject({
    status: 410,
    reason: "Expired",
  });
  const status = {
    kind: "Status",
    code: 410,
    reason: "Expired",
    message: "too old resource version: 1 (2)",
  };
  expect(
    await follow(body(`${JSON.stringify({ type: "ERROR", object: status })}\n`)).ended,
  ).toMatchObject({
    status: 410,
    message: "Cannot watch things: too old resource version: 1 (2) (410 Expired).",
  });
  expect(await follow(body('{"type":"ERROR"}\n')).ended).toMatchObject({ status: 500 });
});

test("a refusal is the server's", async () => {
  const { ended } = follow(async () => refusal(429, "TooManyRequests", { "retry-after": "3" }));
  expect(await ended).toMatchObject({ status: 429, retryAfterSeconds: 3 });
});

test.each([
  ["no JSON", "{]\n"],
  ["no event", "7\n"],
  ["null", "null\n"],
  ["of no known type", '{"type":"MOVED","object":{}}\n'],
  ["without an object", '{"type":"ADDED"}\n'],
  ["with null for an object", '{"type":"ADDED","object":null}\n'],
  ["cut short", '{"type":"ADDED","object":{"metadata":{"name":"b"'],
])("a line that is %s ends the watch; what came before counts", async (_, text) => {
  const { seen, ended } = follow(body(line("ADDED", stored("a", "1", "101")), text));
  expect(String(await ended)).toMatch(/^Error: Cannot watch things: /);
  expect(seen).toEqual(["ADDED a"]);
});

test("lines may be cut anywhere, and be huge", async () => {
  const big = { ...stored("größe-€-😀", "1", "101"), status: { text: "ä".repeat(2 ** 20) } };
  const bytes = Buffer.from(line("ADDED", big) + line("MODIFIED", big));
  const parts = [];
  for (let at = 0; at < bytes.length; at += 65_537) parts.push(bytes.subarray(at, at + 65_537));
  const { seen, ended } = follow(body(...parts));
  expect(await ended).toBe("end");
  expect(seen).toEqual(["ADDED größe-€-😀", "MODIFIED größe-€-😀"]);
});

test("a watch whose head does not come is given up like any request", async () => {
  const { ended } = follow(
    async ({ signal }: HttpRequest) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  );
  await vi.advanceTimersByTimeAsync(30_000);
  expect(await ended).toBeInstanceOf(NoAnswer);
});

test("a watch that the server does not end in time is dead, even one that talks", async () => {
  let pipe: Pipe | undefined;
  const { seen, ended } = follow(async ({ signal }) => ({
    status: 200,
    headers: {},
    body: (pipe = new Pipe(signal)),
  }));
  for (let second = 0; second < 48; second += 1) {
    pipe?.write(line("BOOKMARK", { metadata: { resourceVersion: "1" } }));
    await vi.advanceTimersByTimeAsync(1000);
  }
  expect(String(await ended)).toBe(
    "NoAnswer: Cannot watch things: the answer had not ended after 48 seconds.",
  );
  expect(seen.length).toBe(48);
});

test("the caller's signal ends it at once, and leaving the loop ends the answer", async () => {
  const api = new FakeApi();
  const stop = new AbortController();
  const { ended } = follow(api.transport, "100", stop.signal);
  await vi.advanceTimersByTimeAsync(0);
  expect(api.watches.size).toBe(1);
  const reason = new Error("enough");
  stop.abort(reason);
  expect(await ended).toBe(reason);
  expect(api.watches.size).toBe(0);

  api.put(collection, thing("a"));
  const { signal } = new AbortController();
  const options = { namespace: "default", resourceVersion: "100", timeoutSeconds: 40, signal };
  for await (const { object } of new Client(api.transport).watch(Things, options)) {
    expect(object.metadata?.name).toBe("a");
    break;
  }
  expect(api.watches.size).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});
