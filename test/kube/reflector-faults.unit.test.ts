/** Whatever happens to objects, connections and the server: in the end the store is true. */
import * as fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Client } from "../../src/kube/client.ts";
import { Reflector } from "../../src/kube/reflector.ts";
import { keyOf } from "../../src/kube/resource-type.ts";
import { Store } from "../../src/kube/store.ts";
import { FakeApi, refusal, type Fault, type OpenWatch } from "./fake-api.ts";
import { thing, Things, type Thing } from "./objects.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const collection = "/apis/example.org/v1/namespaces/default/things";

const hang: Fault = async ({ signal }) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

/** What the server, or the way to it, does to every request. */
const outages: Record<string, Fault | undefined> = {
  none: undefined,
  hangs: hang,
  isAway: async () => {
    throw new Error("connect ECONNREFUSED");
  },
  fails: async () => refusal(500, "InternalError"),
  isBusy: async () => refusal(429, "TooManyRequests", { "retry-after": "5" }),
  forgets: async () => refusal(410, "Expired"),
  cutsAnswers: async () => ({ status: 200, headers: {}, body: halfAnAnswer() }),
};

async function* halfAnAnswer(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('{"metadata":{"resourceVersion":"9');
}

/** What happens to a watch that is open. */
const mishaps: Record<string, (watch: OpenWatch) => void> = {
  breaks: ({ pipe }) => pipe.fail(new Error("read ECONNRESET")),
  ends: ({ pipe }) => pipe.end(),
  fallsSilent: (watch) => void (watch.silent = true),
  isCut: ({ pipe }) => {
    pipe.write('{"type":"ADDED","object":{"metadata":{"name":"a"');
    pipe.end();
  },
  talksNonsense: ({ pipe }) => pipe.write("<html>\n"),
  expires: ({ pipe }) => {
    const object = { kind: "Status", code: 410, reason: "Expired" };
    pipe.write(`${JSON.stringify({ type: "ERROR", object })}\n`);
  },
};

const name = fc.constantFrom("a", "b", "c", "d");
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ put: name, value: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ drop: name }) },
  { weight: 1, arbitrary: fc.record({ makeAgain: name, value: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ pass: fc.constantFrom(0, 0.1, 1, 10, 50) }) },
  { weight: 2, arbitrary: fc.record({ mishap: fc.constantFrom(...Object.keys(mishaps)) }) },
  { weight: 2, arbitrary: fc.record({ outage: fc.constantFrom(...Object.keys(outages)) }) },
  { weight: 1, arbitrary: fc.record({ compact: fc.constant(true) }) },
  { weight: 2, arbitrary: fc.record({ repeat: fc.nat() }) },
);

test("after any faults the store is what the server has, and its changes tell how it came to be", async () => {
  let lists = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
      async (sequence, random) => {
        const api = new FakeApi();
        const store = new Store<Thing>();
        const told = new Map<string, Thing>();
        const wrong: string[] = [];
        const reflector = new Reflector<Thing>({
          client: new Client(api.transport),
          type: Things,
          store,
          namespace: "default",
          random: () => random.next().value ?? 0,
          onChange: ({ before, after }) => {
            const key = keyOf(after ?? before ?? {}).name;
            if (told.get(key) !== before) wrong.push(`${key} was another before`);
            if (after === undefined) told.delete(key);
            else told.set(key, after);
          },
          hooks: { relisted: () => (lists += 1) },
        });
        const stop = new AbortController();
        const ended = reflector.run(stop.signal);
        const put = (one: string, value: number): void =>
          void api.put(collection, thing(one, value));
        try {
          for (const did of sequence) {
            if ("put" in did) put(did.put, did.value);
            else if ("drop" in did) api.drop(collection, did.drop);
            else if ("makeAgain" in did) {
              api.drop(collection, did.makeAgain);
              put(did.makeAgain, did.value);
            } else if ("pass" in did) await vi.advanceTimersByTimeAsync(did.pass * 1000);
            else if ("mishap" in did) {
              for (const watch of [...api.watches]) mishaps[did.mishap]?.(watch);
            } else if ("outage" in did) api.fault = outages[did.outage];
            else if ("compact" in did) api.compact();
            else {
              // What is lost from the middle of a stream, nobody could notice.
              const line = api.told[did.repeat % Math.max(api.told.length, 1)];
              for (const { pipe, silent } of api.watches) if (!silent) pipe.write(line ?? "");
            }
          }
          api.fault = undefined;
          await vi.advanceTimersByTimeAsync(90_000);

          const truth = api.all<Thing>(collection).map((one) => [one.metadata?.name, one]);
          expect(
            Object.fromEntries([...store.all()].map((one) => [one.metadata?.name, one])),
          ).toEqual(Object.fromEntries(truth));
          expect(new Map([...store.all()].map((one) => [one.metadata?.name, one]))).toEqual(told);
          expect(wrong).toEqual([]);
          expect(reflector.synced).toBe(true);
        } finally {
          stop.abort();
          await ended;
        }
        expect(vi.getTimerCount()).toBe(0);
      },
    ),
    { numRuns: 500 },
  );
  expect(lists).toBeGreaterThan(500);
});
