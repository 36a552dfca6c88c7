import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { Client } from "../../src/kube/client.ts";
import type { Log } from "../../src/kube/log.ts";
import { Reflector, type ReflectorOptions } from "../../src/kube/reflector.ts";
import { Store, type Change } from "../../src/kube/store.ts";
import { FakeApi, refusal, type Fault } from "./fake-api.ts";
import { stored, thing, Things, type Thing } from "./objects.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const collection = "/apis/example.org/v1/namespaces/default/things";
const pass = async (seconds: number): Promise<unknown> =>
  vi.advanceTimersByTimeAsync(seconds * 1000);

/** A reflector of an API server's things, until the test ends. */
function start(api: FakeApi, options: Partial<ReflectorOptions<Thing>> = {}) {
  const store = new Store<Thing>();
  const changes: string[] = [];
  const watches: string[] = [];
  const logged: string[] = [];
  const tell = (_: object, message: string): void => void logged.push(message);
  const log: Log = { debug: tell, info: tell, warn: tell, error: tell };
  let lists = 0;
  const reflector = new Reflector<Thing>({
    client: new Client(api.transport),
    type: Things,
    store,
    namespace: "default",
    onChange: (change) => changes.push(words(change)),
    log,
    hooks: { relisted: () => (lists += 1), watchEnded: (_, why) => watches.push(why) },
    random: () => 0.5,
    ...options,
  });
  const stop = new AbortController();
  const ended = reflector.run(stop.signal);
  const finish = async (): Promise<void> => {
    stop.abort();
    await ended;
  };
  onTestFinished(finish);
  return { store, reflector, changes, watches, logged, finish, lists: () => lists };
}

function words({ before, after }: Change<Thing>): string {
  if (before === undefined) return `+${after?.metadata?.name}=${after?.value}`;
  if (after === undefined) return `-${before.metadata?.name}`;
  return `${after.metadata?.name}=${before.value}>${after.value}`;
}

function expectSame(store: Store<Thing>, api: FakeApi): void {
  const byName = (a: Thing, b: Thing): number =>
    String(a.metadata?.name) < String(b.metadata?.name) ? -1 : 1;
  expect([...store.all()].toSorted(byName)).toEqual(api.all(collection).toSorted(byName));
}

/** Every request of a method, or a list or watch, is answered like this until the test says otherwise. */
function when(kind: "list" | "watch", fault: Fault): Fault {
  return (request) =>
    (request.query?.["watch"] === "true") === (kind === "watch") ? fault(request) : undefined;
}

const hang: Fault = async ({ signal }) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

test("one list, then what happens", async () => {
  const api = new FakeApi();
  api.put(collection, thing("a", 1));
  const { store, reflector, changes, lists } = start(api);
  expect(reflector.synced).toBe(false);
  await reflector.whenSynced;
  expect(reflector.synced).toBe(true);
  await pass(0);
  api.put(collection, thing("a", 2));
  api.put(collection, thing("b", 3));
  api.drop(collection, "a");
  await pass(0);
  expect(changes).toEqual(["+a=1", "a=1>2", "+b=3", "-a"]);
  expectSame(store, api);
  expect(lists()).toBe(1);
});

test("a day of quiet: no more lists, a watch every 44 seconds, and no version that ages", async () => {
  const api = new FakeApi();
  api.put(collection, thing("a", 1));
  const { watches, lists } = start(api);
  for (let minute = 0; minute < 24 * 60; minute += 1) {
    // Others write, and the server forgets all that is older than five minutes.
    api.tick();
    if (minute % 5 === 4) {
      await pass(56);
      api.compact();
      await pass(4);
    } else {
      await pass(60);
    }
  }
  expect(lists()).toBe(1);
  expect(new Set(watches)).toEqual(new Set(["end"]));
  expect(watches.length).toBeCloseTo(86_400 / 44, -1);
});

test("watches do not all come at the same time, and none is older than 56 seconds", async () => {
  const api = new FakeApi();
  for (const random of [0, 0.25, 0.999]) start(api, { random: () => random });
  await pass(0);
  const asked = api.requests.map(({ query }) => Number(query?.["timeoutSeconds"] ?? 0));
  expect(new Set(asked)).toEqual(new Set([0, 40, 46, 48]));
});

test("a connection that is dead without a word is noticed within 60 seconds, all caught up within 90", async () => {
  const api = new FakeApi();
  const { store, watches, lists } = start(api);
  await pass(1);
  for (const watch of api.watches) watch.silent = true;
  api.put(collection, thing("a", 1));
  await pass(58);
  expect(watches).toEqual(["NoAnswer"]);
  await pass(2);
  expectSame(store, api);
  expect(lists()).toBe(1);
});

test("where new connections are dead too, each attempt has its own end", async () => {
  const api = new FakeApi();
  const { store } = start(api);
  await pass(1);
  for (const watch of api.watches) watch.silent = true;
  api.fault = hang;
  api.put(collection, thing("a", 1));
  await pass(600);
  api.fault = undefined;
  // The attempt that hangs, and one wait.
  await pass(30 + 23);
  expectSame(store, api);
});

test("a connection that breaks is made anew from where it was", async () => {
  const api = new FakeApi();
  const { store, changes, watches, lists } = start(api);
  await pass(1);
  for (const { pipe } of api.watches) pipe.fail(new Error("read ECONNRESET"));
  api.put(collection, thing("a", 1));
  await pass(1);
  expectSame(store, api);
  expect(changes).toEqual(["+a=1"]);
  expect(watches).toEqual(["Error"]);
  expect(lists()).toBe(1);
});

test("an event that is cut short is told whole by the next watch", async () => {
  const api = new FakeApi();
  const { store, changes } = start(api);
  await pass(1);
  for (const watch of api.watches) {
    watch.silent = true;
    watch.pipe.write('{"type":"ADDED","object":{"metadata":{"name":"a","resour');
    watch.pipe.end();
  }
  api.put(collection, thing("a", 1));
  await pass(1);
  expectSame(store, api);
  expect(changes).toEqual(["+a=1"]);
});

test.each(["the answer", "an event"])(
  "a version that is too old, told by %s, means one list",
  async (how) => {
    const api = new FakeApi();
    api.put(collection, thing("gone", 1));
    api.put(collection, thing("a", 1));
    const { store, changes, lists } = start(api);
    await pass(1);
    const object = { kind: "Status", code: 410, reason: "Expired", message: "too old" };
    for (const watch of api.watches) {
      watch.silent = true;
      if (how === "an event") watch.pipe.write(`${JSON.stringify({ type: "ERROR", object })}\n`);
      else watch.pipe.end();
    }
    api.drop(collection, "gone");
    api.put(collection, thing("a", 2));
    api.put(collection, thing("b", 3));
    api.compact();
    await pass(2);
    expectSame(store, api);
    expect(changes.toSorted()).toEqual(["+a=1", "+b=3", "+gone=1", "-gone", "a=1>2"]);
    expect(lists()).toBe(2);
  },
);

test("an object made again while nobody looked goes and comes", async () => {
  const api = new FakeApi();
  api.put(collection, thing("a", 1));
  const { changes } = start(api);
  await pass(1);
  for (const { pipe } of api.watches) pipe.fail(new Error("broken"));
  api.drop(collection, "a");
  api.put(collection, thing("a", 2));
  api.compact();
  await pass(2);
  expect(changes).toEqual(["+a=1", "-a", "+a=2"]);
});

test("a server that ends every watch at once is not asked all the time", async () => {
  const api = new FakeApi();
  api.fault = when("watch", async () => ({
    status: 200,
    headers: {},
    body: (async function* () {})(),
  }));
  const { lists } = start(api);
  await pass(60);
  expect(api.count("GET", { watch: "true" })).toBeLessThan(15);
  expect(lists()).toBe(1);
});

test("a connection that breaks after each event is made anew soon each time", async () => {
  const api = new FakeApi();
  const { store } = start(api);
  for (let value = 0; value < 10; value += 1) {
    await pass(1);
    api.put(collection, thing("a", value));
    await pass(0);
    for (const { pipe } of api.watches) pipe.fail(new Error("read ECONNRESET"));
  }
  api.put(collection, thing("a", 10));
  await pass(1);
  expectSame(store, api);
});

test("a watch that stood for a while makes past failures forgotten", async () => {
  const api = new FakeApi();
  const { store } = start(api);
  await pass(1);
  api.fault = when("watch", async () => refusal(500, "InternalError"));
  for (const { pipe } of api.watches) pipe.end();
  await pass(60);
  api.fault = undefined;
  await pass(30);
  for (const { pipe } of api.watches) pipe.end();
  await pass(0);
  for (const { pipe } of api.watches) pipe.fail(new Error("read ECONNRESET"));
  api.put(collection, thing("a"));
  await pass(1);
  expectSame(store, api);
});

test("a server that is away is asked less and less, and found soon after it is back", async () => {
  const api = new FakeApi();
  api.fault = async () => {
    throw new Error("connect ECONNREFUSED");
  };
  const { reflector, logged } = start(api);
  await pass(600);
  expect(api.requests.length).toBeLessThan(600 / 15 + 10);
  expect(logged.length).toBe(api.requests.length);
  expect(reflector.synced).toBe(false);
  api.fault = undefined;
  await pass(23);
  expect(reflector.synced).toBe(true);
});

test("the server's own wait is kept", async () => {
  const api = new FakeApi();
  api.fault = async () => refusal(429, "TooManyRequests", { "retry-after": "40" });
  const { reflector } = start(api);
  await pass(39);
  expect(api.requests.length).toBe(1);
  api.fault = undefined;
  await pass(2);
  expect(reflector.synced).toBe(true);
});

test.each([500, 503, 401, 403])("%i of a watch is no reason to list", async (status) => {
  const api = new FakeApi();
  const { lists, store } = start(api);
  await pass(1);
  api.fault = when("watch", async () => refusal(status, "Trouble"));
  for (const { pipe } of api.watches) pipe.end();
  await pass(60);
  api.put(collection, thing("a"));
  api.fault = undefined;
  await pass(60);
  expect(lists()).toBe(1);
  expectSame(store, api);
});

test("a server that finds every version of ours wrong is asked for a list, but not all the time", async () => {
  const api = new FakeApi();
  api.fault = when("watch", async () => refusal(400, "BadRequest"));
  const { store } = start(api);
  await pass(60);
  api.put(collection, thing("a", 1));
  expect(api.requests.length).toBeLessThan(25);
  await pass(30);
  expectSame(store, api);
});

test("what may not be read is empty where that is allowed, and found once it may", async () => {
  const api = new FakeApi();
  api.put(collection, thing("a", 1));
  api.fault = async () => refusal(403, "Forbidden");
  const { reflector, store, changes, logged } = start(api, { optional: true });
  await reflector.whenSynced;
  expect(reflector).toMatchObject({ synced: true, available: false });
  await pass(299);
  expect(api.requests.length).toBe(1);
  await pass(601);
  expect(api.requests.length).toBe(4);
  // Said once.
  expect(logged).toEqual(["Works without these objects"]);
  api.fault = undefined;
  await pass(300);
  expect(reflector.available).toBe(true);
  expectSame(store, api);
  // And not any more.
  api.fault = async () => refusal(404, "NotFound");
  await pass(60);
  expect(reflector.available).toBe(false);
  expect(store.size).toBe(0);
  expect(changes).toEqual(["+a=1", "-a"]);
});

test("what may not be watched any more is empty too, and whole once it may", async () => {
  const api = new FakeApi();
  api.put(collection, thing("a", 1));
  const { store, changes, lists } = start(api, { optional: true });
  await pass(1);
  api.fault = when("watch", async () => refusal(403, "Forbidden"));
  await pass(60);
  expect(changes).toEqual(["+a=1", "-a"]);
  api.fault = undefined;
  await pass(300);
  expect(lists()).toBe(2);
  expectSame(store, api);
});

test("what may not be read is a failure where it is needed", async () => {
  const api = new FakeApi();
  api.fault = async () => refusal(403, "Forbidden");
  const { reflector, logged } = start(api);
  await pass(60);
  expect(reflector.synced).toBe(false);
  expect(api.requests.length).toBeGreaterThan(4);
  expect(logged.length).toBeGreaterThan(4);
});

test("a listener that throws is logged, and nothing else", async () => {
  const api = new FakeApi();
  const { store, logged, lists } = start(api, {
    onChange: () => {
      throw new Error("a bug");
    },
  });
  await pass(1);
  api.put(collection, thing("a", 1));
  api.put(collection, thing("b", 1));
  await pass(1);
  expectSame(store, api);
  expect(logged).toEqual(["A change could not be passed on", "A change could not be passed on"]);
  expect(lists()).toBe(1);
});

test("only what is to be kept is kept, from lists and watches", async () => {
  const api = new FakeApi();
  api.put(collection, { ...thing("a", 1), status: { big: true } } as Thing);
  const { store } = start(api, { transform: ({ status: _status, ...rest }) => rest });
  await pass(1);
  api.put(collection, { ...thing("b", 1), status: { big: true } } as Thing);
  await pass(1);
  expect(store.size).toBe(2);
  for (const object of store.all()) expect(object).not.toHaveProperty("status");
});

test("selectors are asked for, of lists and watches", async () => {
  const api = new FakeApi();
  start(api, { labelSelector: "a=b", fieldSelector: "c=d" });
  await pass(1);
  expect(api.requests.length).toBe(2);
  for (const { query, path } of api.requests) {
    expect(query).toMatchObject({ labelSelector: "a=b", fieldSelector: "c=d" });
    expect(path).toBe(collection);
  }
});

test("the end comes at once, from a watch, a list or a wait, and leaves no timer", async () => {
  for (const fault of [undefined, hang, when("watch", async () => refusal(500, "x"))]) {
    const api = new FakeApi();
    api.fault = fault;
    const { finish } = start(api);
    await pass(1);
    await finish();
    expect(api.watches.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  }
});

test("a clock that jumps harms nothing", async () => {
  const api = new FakeApi();
  const { watches, lists, store } = start(api);
  await pass(1);
  vi.setSystemTime(0);
  await pass(100);
  vi.setSystemTime(4_000_000_000_000);
  api.put(collection, thing("a"));
  await pass(100);
  expect(new Set(watches)).toEqual(new Set(["end"]));
  expect(lists()).toBe(1);
  expectSame(store, api);
});

/** Has every watch say this. */
function say(api: FakeApi, type: string, object: Thing): void {
  for (const { pipe } of api.watches) pipe.write(`${JSON.stringify({ type, object })}\n`);
}

test("what is told twice counts once", async () => {
  const api = new FakeApi();
  const { store, changes, lists } = start(api);
  await pass(1);
  const [a, b] = [
    api.put(collection, thing("a", 1)),
    api.put(collection, thing("b", 1)),
  ] as Thing[];
  await pass(0);
  say(api, "ADDED", b ?? {});
  say(api, "ADDED", a ?? {});
  await pass(1);
  expectSame(store, api);
  expect(changes).toEqual(["+a=1", "+b=1"]);
  expect(lists()).toBe(1);
});

test("an old state told again does not take the store back in time", async () => {
  const api = new FakeApi();
  const { store, changes } = start(api);
  await pass(1);
  const old = api.put(collection, thing("a", 1)) as Thing;
  api.put(collection, thing("a", 2));
  await pass(0);
  say(api, "MODIFIED", old);
  say(api, "DELETED", old);
  await pass(0);
  expectSame(store, api);
  expect(changes).toEqual(["+a=1", "a=1>2"]);
});

test("what is deleted is not brought back by what was told before", async () => {
  const api = new FakeApi();
  const { store, lists } = start(api);
  await pass(1);
  const old = api.put(collection, thing("a", 1)) as Thing;
  api.drop(collection, "a");
  await pass(0);
  say(api, "MODIFIED", old);
  await pass(0);
  expect(store.size).toBe(0);
  // Nobody can tell whether it is late or old: the list does.
  await pass(2);
  expect(lists()).toBe(2);
  expectSame(store, api);
});

test("what is told late is not lost", async () => {
  const api = new FakeApi();
  const { store, lists } = start(api);
  await pass(1);
  for (const watch of api.watches) watch.silent = true;
  const a = api.put(collection, thing("a", 1)) as Thing;
  const b = api.put(collection, thing("b", 1)) as Thing;
  say(api, "ADDED", b);
  say(api, "ADDED", a);
  await pass(2);
  expectSame(store, api);
  expect(lists()).toBe(2);
});

test("several deletions at one version are all told", async () => {
  const api = new FakeApi();
  const [a, b] = ["a", "b"].map((name) => api.put(collection, thing(name)) as Thing);
  const { store, lists } = start(api);
  await pass(1);
  // So it is when a lease of etcd's ends.
  for (const object of [a, b]) {
    say(api, "DELETED", { ...object, metadata: { ...object?.metadata, resourceVersion: "150" } });
  }
  await pass(0);
  expect(store.size).toBe(0);
  expect(lists()).toBe(1);
});

test("a server whose past was changed is listed anew", async () => {
  const api = new FakeApi();
  api.put(collection, thing("a", 1));
  const { lists } = start(api);
  await pass(1);
  // As after a backup of etcd was put back.
  say(api, "BOOKMARK", { metadata: { resourceVersion: "7" } });
  await pass(2);
  expect(lists()).toBe(2);
});

test("versions that do not compare are taken as they come", async () => {
  const api = new FakeApi();
  const { store, lists } = start(api);
  await pass(1);
  say(api, "ADDED", stored("a", "one", "zz", 1));
  say(api, "MODIFIED", stored("a", "one", "aa", 2));
  await pass(0);
  expect([...store.all()]).toMatchObject([{ value: 2 }]);
  expect(lists()).toBe(1);
});
