import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { Client } from "../../src/kube/client.ts";
import { Election } from "../../src/kube/election.ts";
import { guarded, NotLeading } from "../../src/kube/guard.ts";
import { silent } from "../../src/kube/log.ts";
import type { KubeObject } from "../../src/kube/resource-type.ts";
import type { Transport } from "../../src/kube/transport.ts";
import { FakeApi, refusal, type Fault } from "./fake-api.ts";
import { thing, Things } from "./objects.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const collection = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
const pass = async (seconds: number): Promise<unknown> =>
  vi.advanceTimersByTimeAsync(seconds * 1000);

interface Lease extends KubeObject {
  spec: { [field: string]: unknown; holderIdentity: string };
}

function lease(api: FakeApi): Lease {
  const [one] = api.all<Lease>(collection);
  if (one === undefined) throw new Error("There is no lease.");
  return one;
}

/** A candidate until the test ends. */
function stand(api: FakeApi, identity: string, transport: Transport = api.transport) {
  const told: string[] = [];
  const complaints: string[] = [];
  const stop = new AbortController();
  const election = new Election({
    client: new Client(transport),
    namespace: "default",
    name: "leader",
    identity,
    log: {
      ...silent,
      info: (_, message) => void (message.startsWith("Leads") && told.push(message)),
      warn: (_, message) => void complaints.push(message),
    },
    random: () => 0,
  });
  /** The lead ends when its signal aborts, or not before the test says so. */
  const lead = { running: 0, linger: Promise.resolve() };
  const ended = election.run(async (signal) => {
    lead.running += 1;
    if (!signal.aborted) {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    }
    await lead.linger;
    lead.running -= 1;
  }, stop.signal);
  const finish = async (): Promise<void> => {
    stop.abort();
    await ended;
  };
  onTestFinished(finish);
  return { election, told, complaints, lead, stop, ended, finish };
}

test("who comes first leads, and others wait as long as it renews", async () => {
  const api = new FakeApi();
  const a = stand(api, "a");
  await pass(0);
  const b = stand(api, "b");
  await pass(3600);
  expect([a.election.leading, b.election.leading]).toEqual([true, false]);
  expect([a.told, b.told]).toEqual([["Leads now"], []]);
  expect([a.lead.running, b.lead.running]).toEqual([1, 0]);
  const { metadata, spec } = lease(api);
  expect(metadata).toMatchObject({ name: "leader", namespace: "default" });
  expect(spec).toMatchObject({ leaseDurationSeconds: 15, leaseTransitions: 0 });
  expect(spec.holderIdentity).toMatch(/^a_[0-9a-f-]{36}$/);
  for (const moment of ["acquireTime", "renewTime"]) {
    expect(spec[moment]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  }
  // One write every two seconds.
  expect(api.count("PUT")).toBe(1800);
});

test("who ends gives the lease back, and the next leads at once", async () => {
  const api = new FakeApi();
  const a = stand(api, "a");
  await pass(0);
  const b = stand(api, "b");
  await pass(10);
  a.stop.abort();
  await a.ended;
  expect(lease(api).spec).toMatchObject({ holderIdentity: "", leaseDurationSeconds: 1 });
  expect(a.told).toEqual(["Leads now", "Leads no more"]);
  await pass(2);
  expect(b.election.leading).toBe(true);
  expect(lease(api).spec).toMatchObject({ leaseTransitions: 1, leaseDurationSeconds: 15 });
});

test("the lease is kept until the last of the work is done", async () => {
  const api = new FakeApi();
  const a = stand(api, "a");
  await pass(0);
  const b = stand(api, "b");
  const work = Promise.withResolvers<void>();
  a.lead.linger = work.promise;
  a.stop.abort();
  await pass(60);
  expect([a.lead.running, a.election.leading]).toEqual([1, true]);
  expect(b.election.leading).toBe(false);
  work.resolve();
  await a.ended;
  await pass(2);
  expect(b.election.leading).toBe(true);
});

test("a holder that dies is followed when its time is over, by the clock of who waits", async () => {
  const api = new FakeApi();
  const past = "2001-01-01T00:00:00.000000Z";
  const dead = {
    holderIdentity: "dead",
    leaseDurationSeconds: 15,
    renewTime: past,
    leaseTransitions: 4,
  };
  api.put(collection, {
    apiVersion: "coordination.k8s.io/v1",
    metadata: { namespace: "default", name: "leader" },
    spec: dead,
  } as KubeObject);
  const a = stand(api, "a");
  // However old it says it is: clocks differ.
  await pass(14);
  expect(a.election.leading).toBe(false);
  await pass(4);
  expect(a.election.leading).toBe(true);
  expect(lease(api).spec).toMatchObject({ leaseTransitions: 5 });
  expect(lease(api).spec["acquireTime"]).not.toBe(past);
});

test("an identity of another life is another's", async () => {
  const api = new FakeApi();
  const before = stand(api, "pod");
  await pass(0);
  const { holderIdentity } = lease(api).spec;
  // The first cannot tell any more that it lives.
  const after = stand(api, "pod");
  await pass(10);
  expect(after.election.leading).toBe(false);
  expect(before.election.leading).toBe(true);
  expect(lease(api).spec.holderIdentity).toBe(holderIdentity);
});

test("a clock that jumps neither loses nor takes the lease", async () => {
  const api = new FakeApi();
  const a = stand(api, "a");
  await pass(0);
  const b = stand(api, "b");
  for (const moment of [0, 4_000_000_000_000, 1_000_000_000_000]) {
    await pass(20);
    vi.setSystemTime(moment);
    await pass(20);
    expect([a.election.leading, b.election.leading]).toEqual([true, false]);
  }
  expect(a.told).toEqual(["Leads now"]);
});

/** A way to the server that a test can cut. */
function cable(api: FakeApi): { transport: Transport; cut: Fault | undefined } {
  const way: { transport: Transport; cut: Fault | undefined } = {
    cut: undefined,
    transport: async (request) => (await way.cut?.(request)) ?? api.transport(request),
  };
  return way;
}

const hang: Fault = async ({ signal }) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
const away: Fault = async () => {
  throw new Error("connect ECONNREFUSED");
};

test.each([
  ["hangs", hang],
  ["is away", away],
  ["fails", async () => refusal(500, "InternalError")],
])(
  "a holder whose server %s leads for ten seconds, and no longer; the next not before",
  async (_, cut) => {
    const api = new FakeApi();
    const way = cable(api);
    const a = stand(api, "a", way.transport);
    await pass(0);
    const b = stand(api, "b");
    await pass(7);
    way.cut = cut;
    let [lost, ended, taken] = [0, 0, 0];
    for (let tick = 1; tick <= 300; tick += 1) {
      await pass(0.1);
      if (lost === 0 && !a.election.leading) lost = tick / 10;
      if (ended === 0 && a.lead.running === 0) ended = tick / 10;
      if (taken === 0 && b.election.leading) taken = tick / 10;
      expect(a.election.leading && b.election.leading).toBe(false);
      expect(a.lead.running + b.lead.running).toBeLessThanOrEqual(1);
    }
    // The last renewal was a second or more before the cut.
    expect(lost).toBeGreaterThan(7.9);
    expect(lost).toBeLessThan(10);
    expect(ended - lost).toBeLessThanOrEqual(0.11);
    expect(taken).toBeGreaterThan(13);
    expect(taken).toBeLessThan(18);
    expect(a.told).toEqual(["Leads now", "Leads no more"]);
    // Whoever lost it stands again.
    way.cut = undefined;
    await b.finish();
    await pass(5);
    expect(a.election.leading).toBe(true);
    expect(a.told).toEqual(["Leads now", "Leads no more", "Leads now"]);
  },
);

test("a renewal counts from when it was sent", async () => {
  const api = new FakeApi();
  const way = cable(api);
  const a = stand(api, "a", way.transport);
  await pass(0);
  way.cut = async (request) => {
    if (request.method === "PUT") await new Promise((resolve) => setTimeout(resolve, 3000));
    return undefined as never;
  };
  // Sent after two seconds, answered after five.
  await pass(5);
  way.cut = away;
  await pass(6.9);
  expect(a.election.leading).toBe(true);
  await pass(0.2);
  expect(a.election.leading).toBe(false);
});

test("a short failure is no loss", async () => {
  const api = new FakeApi();
  const way = cable(api);
  const a = stand(api, "a", way.transport);
  await pass(1);
  for (const cut of [hang, away]) {
    way.cut = cut;
    await pass(6);
    way.cut = undefined;
    await pass(20);
  }
  expect(a.told).toEqual(["Leads now"]);
});

test("a renewal whose answer was lost is recognised as one's own", async () => {
  const api = new FakeApi();
  const way = cable(api);
  const a = stand(api, "a", way.transport);
  await pass(1);
  way.cut = async (request) => {
    const answer = await api.transport(request);
    if (request.method === "PUT") throw new Error("read ECONNRESET");
    return answer;
  };
  await pass(3);
  way.cut = undefined;
  await pass(30);
  expect(a.told).toEqual(["Leads now"]);
});

test("somebody who labels the lease does no harm", async () => {
  const api = new FakeApi();
  const a = stand(api, "a");
  await pass(1);
  for (let i = 0; i < 10; i += 1) {
    const held = lease(api);
    api.put(collection, { ...held, metadata: { ...held.metadata, labels: { i: String(i) } } });
    await pass(3);
  }
  expect(a.told).toEqual(["Leads now"]);
  expect(lease(api).metadata?.labels).toEqual({ i: "9" });
});

test("a lease that somebody deletes is made anew", async () => {
  const api = new FakeApi();
  const a = stand(api, "a");
  await pass(1);
  api.drop(collection, "leader");
  await pass(20);
  expect(a.told).toEqual(["Leads now"]);
  expect(lease(api).spec.holderIdentity).toMatch(/^a_/);
});

test("a lease that somebody else has taken is lost at the next look", async () => {
  const api = new FakeApi();
  const a = stand(api, "a");
  await pass(1);
  const held = lease(api);
  api.put(collection, { ...held, spec: { ...held.spec, holderIdentity: "thief" } } as KubeObject);
  await pass(4);
  expect(a.election.leading).toBe(false);
  expect(a.lead.running).toBe(0);
  expect(a.told).toEqual(["Leads now", "Leads no more"]);
  // And not given back in the thief's name.
  expect(lease(api).spec.holderIdentity).toBe("thief");
});

test("many who come at once: one leads, and nobody complains", async () => {
  const api = new FakeApi();
  const all = ["a", "b", "c", "d"].map((name) => stand(api, name));
  await pass(100);
  expect(all.flatMap(({ complaints }) => complaints)).toEqual([]);
  expect(all.filter(({ election }) => election.leading).length).toBe(1);
  expect(all.reduce((sum, { lead }) => sum + lead.running, 0)).toBe(1);
});

test("a process that was frozen does not lead when it thaws, and writes nothing", async () => {
  const api = new FakeApi();
  const a = stand(api, "a");
  await pass(1);
  const guard = new Client(guarded(api.transport, () => a.election.leading));
  await guard.create(Things, thing("before"));
  // Time goes on and none of its timers has fired yet.
  const now = performance.now();
  const clock = vi.spyOn(performance, "now").mockReturnValue(now + 11_000);
  expect(a.election.leading).toBe(false);
  const refused = guard.create(Things, thing("after"));
  await expect(refused).rejects.toBeInstanceOf(NotLeading);
  await guard.get(Things, { namespace: "default", name: "before" });
  clock.mockRestore();
});

test("a lead that ends by itself gives the lease back, one that fails too", async () => {
  const api = new FakeApi();
  const options = {
    client: new Client(api.transport),
    namespace: "default",
    name: "leader",
    identity: "a",
  };
  const { signal } = new AbortController();
  const election = new Election(options);
  await election.run(async () => {}, signal);
  expect(lease(api).spec.holderIdentity).toBe("");
  expect(election.leading).toBe(false);
  const failed = election.run(async () => {
    throw new Error("a bug");
  }, signal);
  await expect(failed).rejects.toThrow("a bug");
  expect(lease(api).spec.holderIdentity).toBe("");
  expect(vi.getTimerCount()).toBe(0);
});

test("who is told to end before it leads does not lead", async () => {
  const api = new FakeApi();
  const a = stand(api, "a");
  a.stop.abort();
  await a.ended;
  expect(a.told).toEqual([]);
  expect(a.lead.running).toBe(0);
  expect(lease(api).spec.holderIdentity).toBe("");
  expect(vi.getTimerCount()).toBe(0);
});
