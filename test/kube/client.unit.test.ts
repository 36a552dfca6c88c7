import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiError, isGone } from "../../src/kube/api-error.ts";
import { Client } from "../../src/kube/client.ts";
import { NoAnswer, type HttpRequest, type Transport } from "../../src/kube/transport.ts";
import { answer, chunks, FakeApi, refusal } from "./fake-api.ts";
import { thing, Things } from "./objects.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const collection = "/apis/example.org/v1/namespaces/default/things";
const key = { namespace: "default", name: "a" };

function make(fault?: FakeApi["fault"]): { api: FakeApi; client: Client } {
  const api = new FakeApi();
  api.fault = fault;
  return { api, client: new Client(api.transport, { userAgent: "imagediff/1" }) };
}

/** Never answers, and ends with the signal. */
async function hang({ signal }: HttpRequest): Promise<never> {
  signal.throwIfAborted();
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

test("an object's life", async () => {
  const { api, client } = make();
  const created = await client.create(Things, thing("a", 1));
  expect(await client.get(Things, key)).toEqual(created);
  const replaced = await client.replace(Things, { ...created, value: 2 });
  expect(replaced.value).toBe(2);
  expect(
    (await client.replace(Things, { ...replaced, status: { done: true } }, "status")).status,
  ).toEqual({ done: true });
  expect((await client.mergePatch(Things, key, { value: 3 })).value).toBe(3);
  await client.delete(Things, key, {
    uid: created.metadata?.uid ?? "",
    propagationPolicy: "Background",
  });
  expect(
    api.requests.map(({ method, path, body, headers }) => [
      method,
      path.slice(collection.length),
      headers?.["content-type"],
      body?.includes("value"),
    ]),
  ).toEqual([
    ["POST", "", "application/json", true],
    ["GET", "/a", undefined, undefined],
    ["PUT", "/a", "application/json", true],
    ["PUT", "/a/status", "application/json", true],
    ["PATCH", "/a", "application/merge-patch+json", true],
    ["DELETE", "/a", "application/json", false],
  ]);
  expect(JSON.parse(api.requests.at(-1)?.body ?? "")).toEqual({
    apiVersion: "v1",
    kind: "DeleteOptions",
    preconditions: { uid: created.metadata?.uid },
    propagationPolicy: "Background",
  });
  for (const { headers } of api.requests) {
    expect(headers).toMatchObject({ accept: "application/json", "user-agent": "imagediff/1" });
  }
});

test("refusals name the verb and the object", async () => {
  const { client } = make();
  const created = await client.create(Things, thing("a"));
  const messages = await Promise.all(
    [
      client.create(Things, thing("a")),
      client.replace(
        Things,
        { ...created, metadata: { ...created.metadata, resourceVersion: "1" } },
        "status",
      ),
      client.get(Things, { ...key, name: "b" }),
      client.mergePatch(Things, { ...key, name: "b" }, {}),
      client.delete(Things, { ...key, name: "b" }),
      client.delete(Things, key, { uid: "another" }),
    ].map(async (request) => request.catch((error: unknown) => (error as ApiError).message)),
  );
  expect(messages).toEqual([
    "Cannot create Thing default/a: it is AlreadyExists (409 AlreadyExists).",
    "Cannot update the status of Thing default/a: it is Conflict (409 Conflict).",
    "Cannot get Thing default/b: it is NotFound (404 NotFound).",
    "Cannot patch Thing default/b: it is NotFound (404 NotFound).",
    "Cannot delete Thing default/b: it is NotFound (404 NotFound).",
    "Cannot delete Thing default/a: it is Conflict (409 Conflict).",
  ]);
});

test.each([429, 500, 502, 503, 504])("%i is not tried again here", async (status) => {
  const { api, client } = make(async () => refusal(status, "Trouble", { "retry-after": "9" }));
  await expect(client.get(Things, key)).rejects.toMatchObject({ status, retryAfterSeconds: 9 });
  expect(api.requests.length).toBe(1);
});

test("an answer that is cut short or is no JSON is an error of its own", async () => {
  for (const text of ['{"metadata":', "<html>", ""]) {
    const { client } = make(async () => ({ status: 200, headers: {}, body: chunks(text) }));
    await expect(client.get(Things, key)).rejects.toThrow(
      "Cannot get Thing default/a: the API server's answer is not JSON.",
    );
  }
});

test("a broken network is told with its cause", async () => {
  const cause = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), {
    code: "ECONNREFUSED",
  });
  const { client } = make(async () => {
    throw cause;
  });
  await expect(client.get(Things, key)).rejects.toMatchObject({
    message: "Cannot get Thing default/a: connect ECONNREFUSED 127.0.0.1:1.",
    cause,
  });
  const nameless = make(async () => {
    throw Object.assign(new AggregateError([], ""), { code: "ECONNREFUSED" });
  });
  await expect(nameless.client.get(Things, key)).rejects.toThrow("a: ECONNREFUSED.");
});

test("a server that is silent is given up, be it before its answer or within", async () => {
  const within: Transport = async (request) => ({
    status: 200,
    headers: {},
    body: (async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from("{");
      yield await hang(request);
    })(),
  });
  for (const transport of [hang, within]) {
    const failed = vi.fn<(error: unknown) => void>();
    void new Client(transport).get(Things, key).catch(failed);
    await vi.advanceTimersByTimeAsync(29_999);
    expect(failed).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(failed).toHaveBeenCalledExactlyOnceWith(expect.any(NoAnswer));
    expect(String(failed.mock.calls[0]?.[0])).toContain(
      "Cannot get Thing default/a: the answer was not there after 30 seconds.",
    );
    expect(vi.getTimerCount()).toBe(0);
  }
  const failed = vi.fn<(error: unknown) => void>();
  void new Client(hang).withTimeout(2000).get(Things, key).catch(failed);
  await vi.advanceTimersByTimeAsync(2000);
  expect(failed).toHaveBeenCalledOnce();
});

test("the caller's signal ends a request with its own reason", async () => {
  const client = new Client(hang);
  const reason = new Error("enough");
  const stop = new AbortController();
  const got = client.get(Things, key, stop.signal);
  stop.abort(reason);
  await expect(got).rejects.toBe(reason);
  await expect(client.get(Things, key, stop.signal)).rejects.toBe(reason);
  expect(vi.getTimerCount()).toBe(0);
});

test("a list is read page by page, as of one moment", async () => {
  const { api, client } = make();
  for (let i = 0; i < 1203; i += 1) api.put(collection, thing(`t${String(i).padStart(5, "0")}`, i));
  const { version } = api;
  api.fault = ({ query }) => {
    // Somebody else changes things while the pages are read.
    if (query?.["continue"] !== undefined) {
      api.drop(collection, "t00000");
      api.put(collection, thing("t01100", -1));
      api.put(collection, thing("z"));
    }
    return undefined;
  };
  const { items, resourceVersion } = await client.list(Things, {
    namespace: "default",
    labelSelector: "x=y",
    fieldSelector: "a=b",
  });
  expect(api.requests.map(({ query }) => query?.["limit"])).toEqual(["500", "500", "500"]);
  for (const { query } of api.requests) {
    expect(query).toMatchObject({ labelSelector: "x=y", fieldSelector: "a=b" });
    expect(query).not.toHaveProperty("resourceVersion");
  }
  expect(items.map(({ value }) => value)).toEqual(Array.from({ length: 1203 }, (_, i) => i));
  expect(resourceVersion).toBe(version);
  // As every single object has them.
  expect(items[0]).toMatchObject({ apiVersion: "example.org/v1", kind: "Thing" });
});

test("only what is to be kept of each object is kept", async () => {
  const { api, client } = make();
  api.put(collection, thing("a", 7));
  const { items } = await client.list(Things, {
    namespace: "default",
    transform: ({ metadata }) => ({ metadata: { name: metadata?.name ?? "" } }),
  });
  expect(items).toEqual([{ metadata: { name: "a" } }]);
});

test.each([null, undefined, []])("a list of %j is empty", async (items) => {
  const { client } = make(async () => answer({ metadata: { resourceVersion: "5" }, items }));
  expect(await client.list(Things)).toEqual({ items: [], resourceVersion: "5" });
});

test("pages whose moment is forgotten are read again, all at once", async () => {
  const { api, client } = make();
  for (let i = 0; i < 700; i += 1) api.put(collection, thing(`t${i}`));
  let compacted = false;
  api.fault = ({ query }) => {
    if (query?.["continue"] !== undefined && !compacted) {
      compacted = true;
      api.tick();
      api.compact();
    }
    return undefined;
  };
  const { items } = await client.list(Things, { namespace: "default" });
  expect(items.length).toBe(700);
  expect(api.requests.map(({ query }) => query?.["limit"])).toEqual(["500", "500", undefined]);
});

test("a server that forgets even that is no endless loop", async () => {
  const { api, client } = make(async () => refusal(410, "Expired"));
  await expect(client.list(Things)).rejects.toSatisfy(isGone);
  expect(api.requests.length).toBe(2);
});

test("a log is text, up to a MiB", async () => {
  const { api, client } = make(async () => ({
    status: 200,
    headers: {},
    body: chunks("x".repeat(2 ** 21)),
  }));
  const text = await client.text(Things, { ...key, subresource: "log" }, { tailLines: "9" });
  expect(text.length).toBe(2 ** 20);
  expect(api.requests[0]).toMatchObject({ path: `${collection}/a/log`, query: { tailLines: "9" } });
  const { client: refused } = make(async () => refusal(400, "BadRequest"));
  await expect(refused.text(Things, { ...key, subresource: "log" })).rejects.toThrow(
    "Cannot read the log of Thing default/a",
  );
});

test("an error's body is not read for ever", async () => {
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) yield Buffer.alloc(4096, "x");
  }
  const { client } = make(async () => ({ status: 500, headers: {}, body: endless() }));
  await expect(client.get(Things, key)).rejects.toMatchObject({ status: 500 });
});
