import type { Event } from "kubernetes-types/events/v1.d.ts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Client } from "../../src/kube/client.ts";
import type { Happening, Regarding } from "../../src/kube/event-series.ts";
import { EventRecorder } from "../../src/kube/events.ts";
import { FakeApi, refusal } from "./fake-api.ts";

beforeEach(() => void vi.useFakeTimers({ now: 1_700_000_000_000 }));
afterEach(() => void vi.useRealTimers());

const collection = "/apis/events.k8s.io/v1/namespaces/vms/events";
const pass = async (seconds: number): Promise<unknown> =>
  vi.advanceTimersByTimeAsync(seconds * 1000);

function regarding(name = "web-01"): Regarding {
  return {
    apiVersion: "imagediff.io/v1alpha1",
    kind: "ImageDiff",
    namespace: "vms",
    name,
    uid: `uid-${name}`,
  };
}

function happening(message = "the job failed"): Happening {
  return { type: "Warning", reason: "JobFailed", action: "RunJob", message };
}

function make(api = new FakeApi()) {
  const logged: object[] = [];
  const log = {
    debug() {},
    info() {},
    error() {},
    warn: (fields: object) => void logged.push(fields),
  };
  const client = new Client(api.transport);
  const recorder = new EventRecorder({
    client,
    controller: "imagediff.io/controller",
    instance: "pod-1",
    log,
  });
  return { api, recorder, logged, events: () => api.all(collection) as unknown as Event[] };
}

test("an event is written at once, with all that the API asks for", async () => {
  const { recorder, events } = make();
  recorder.record(regarding(), happening());
  await pass(0);
  expect(events()).toEqual([
    {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: {
        namespace: "vms",
        name: expect.stringMatching(/^web-01\.[0-9a-f]{16}$/) as string,
        uid: "uid-1",
        resourceVersion: "101",
      },
      eventTime: "2023-11-14T22:13:20.000000Z",
      reportingController: "imagediff.io/controller",
      reportingInstance: "pod-1",
      regarding: regarding(),
      type: "Warning",
      reason: "JobFailed",
      action: "RunJob",
      note: "the job failed",
    },
  ]);
});

test("what repeats is one event that counts, with one write a minute", async () => {
  const { api, recorder, events } = make();
  for (let second = 0; second < 300; second += 1) {
    recorder.record(regarding(), happening());
    await pass(1);
  }
  expect(events().length).toBe(1);
  expect(api.count("POST")).toBe(1);
  expect(api.count("PATCH")).toBe(5);
  expect(events()[0]?.series).toEqual({
    count: 300,
    lastObservedTime: "2023-11-14T22:18:19.000000Z",
  });
  // And none any more once it is over.
  await pass(3600);
  expect(api.requests.length).toBe(6);
  expect(vi.getTimerCount()).toBe(0);
});

test("another object, reason, message or type is another event", async () => {
  const { recorder, events } = make();
  recorder.record(regarding(), happening());
  recorder.record(regarding("web-02"), happening());
  recorder.record(regarding(), happening("the job failed otherwise"));
  recorder.record(regarding(), { ...happening(), reason: "Other" });
  recorder.record(regarding(), { ...happening(), action: "Other" });
  recorder.record(regarding(), { ...happening(), type: "Normal" });
  recorder.record({ ...regarding(), uid: "another life" }, happening());
  await pass(1);
  expect(events().length).toBe(7);
});

test("an event that has expired is made anew", async () => {
  const { api, recorder, events } = make();
  recorder.record(regarding(), happening());
  await pass(0);
  api.drop(collection, events()[0]?.metadata?.name ?? "");
  recorder.record(regarding(), happening());
  await pass(60);
  expect(events()).toMatchObject([
    { eventTime: "2023-11-14T22:13:20.000000Z", series: { count: 2 } },
  ]);
});

test("one object cannot flood the server", async () => {
  const { recorder, events } = make();
  for (let i = 0; i < 100; i += 1) recorder.record(regarding(), happening(`number ${i}`));
  recorder.record(regarding("web-02"), happening());
  await pass(1);
  expect(events().length).toBe(26);
  await pass(300);
  for (let i = 100; i < 200; i += 1) recorder.record(regarding(), happening(`number ${i}`));
  await pass(1);
  expect(events().length).toBe(27);
});

test("memory is bounded, whatever happens", async () => {
  const { recorder, api, events } = make();
  api.fault = async ({ signal }) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  for (let i = 0; i < 5000; i += 1) recorder.record(regarding(`web-${i}`), happening());
  api.fault = undefined;
  await recorder.flush();
  expect(events().length).toBeLessThanOrEqual(1001);
  expect(events().length).toBeGreaterThan(990);
});

test("a server that is away gets the event when it is back, a minute later at most", async () => {
  const { api, recorder, events, logged } = make();
  api.fault = async () => {
    throw new Error("connect ECONNREFUSED");
  };
  recorder.record(regarding(), happening());
  recorder.record(regarding(), happening());
  await pass(150);
  expect(logged.length).toBe(3);
  api.fault = undefined;
  await pass(60);
  expect(events()).toMatchObject([{ series: { count: 2 } }]);
});

test("an event is not tried for ever, and a refused one not twice", async () => {
  for (const [status, times] of [
    [500, 10],
    [403, 1],
    [404, 1],
    [422, 1],
  ] as const) {
    const api = new FakeApi();
    api.fault = async () => refusal(status, "No");
    const { recorder, logged } = make(api);
    recorder.record(regarding(), happening());
    await pass(7200);
    expect([api.requests.length, logged.length]).toEqual([times, times]);
    expect(vi.getTimerCount()).toBe(0);
  }
});

test("flush writes the last counts, and ends", async () => {
  const { api, recorder, events } = make();
  recorder.record(regarding(), happening());
  await pass(1);
  for (let i = 0; i < 4; i += 1) recorder.record(regarding(), happening());
  recorder.record(regarding("web-02"), happening());
  await recorder.flush();
  const counts = Object.fromEntries(
    events().map((event) => [event.regarding?.name, event.series?.count]),
  );
  expect(counts).toEqual({ "web-01": 5, "web-02": undefined });
  expect(api.requests.length).toBe(3);
  await recorder.flush();
  expect(api.requests.length).toBe(3);
});

test("flush writes nothing twice that is being written", async () => {
  const { api, recorder, events } = make();
  api.fault = async () => {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return undefined as never;
  };
  recorder.record(regarding(), happening());
  await pass(0.5);
  const flushed = recorder.flush();
  await pass(10);
  await flushed;
  expect(events().length).toBe(1);
  expect(api.requests.length).toBe(1);
});

test("flush does not wait long for a server that is silent", async () => {
  const { api, recorder, events } = make();
  api.fault = async ({ signal }) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  for (let i = 0; i < 100; i += 1) recorder.record(regarding(`web-${i}`), happening());
  await pass(1);
  let flushed = false;
  void recorder.flush().then(() => (flushed = true));
  await pass(10);
  expect(flushed).toBe(true);
  expect(api.requests.length).toBe(2);
  api.fault = undefined;
  recorder.record(regarding("another"), happening());
  await pass(60);
  expect(events().length).toBe(101);
});

test("names and notes fit", async () => {
  const { recorder, events } = make();
  const name = `${"x".repeat(235)}.${"y".repeat(16)}`;
  recorder.record(regarding(name), happening("ä€😀".repeat(1000)));
  await pass(0);
  const [event] = events();
  expect(event?.metadata?.name).toMatch(/^x{235}\.[0-9a-f]{16}$/);
  expect(Buffer.byteLength(event?.note ?? "")).toBeLessThanOrEqual(1024);
  expect(event?.note).toMatch(/^(ä€😀)+ä?€?…$/u);
});
