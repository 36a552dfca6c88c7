/** Events are a help to people: where they cannot be had, nothing waits for them. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Client } from "../../../src/kube/client.ts";
import { silent } from "../../../src/kube/log.ts";
import type { Transport } from "../../../src/kube/transport.ts";
import { EngineEvents } from "../../../src/operator/observe/engine-events.ts";
import { jobFor, observed } from "../plan/builders.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const observation = observed({ jobs: [jobFor()] });

const silence: Transport = async ({ signal }) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

const told: Transport = async () => {
  const items = [{ reason: "FailedCreate", message: "no", lastTimestamp: "2030-01-01T00:00:00Z" }];
  async function* body(): AsyncGenerator<Buffer> {
    yield Buffer.from(JSON.stringify({ metadata: { resourceVersion: "1" }, items }));
  }
  return { status: 200, headers: {}, body: body() };
};

test("what was known holds while nobody answers, and nobody is asked for a while", async () => {
  let answer = told;
  const transport = vi.fn<Transport>(async (request) => answer(request));
  const events = new EngineEvents(new Client(transport), silent);
  const known = await events.read(observation);
  expect(known).toMatchObject([{ kind: "Job", reason: "FailedCreate", message: "no" }]);

  answer = silence;
  const read = events.read(observation);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await read).toEqual(known);
  await vi.advanceTimersByTimeAsync(4000);
  expect(await events.read(observation)).toEqual(known);
  expect(transport).toHaveBeenCalledTimes(2);

  answer = told;
  await vi.advanceTimersByTimeAsync(1000);
  await events.read(observation);
  expect(transport).toHaveBeenCalledTimes(3);
  const another = observed({ jobs: [jobFor()], fields: { "metadata.uid": "another" } });
  answer = async () => Promise.reject(new Error("away"));
  expect(await events.read(another)).toEqual([]);
});
