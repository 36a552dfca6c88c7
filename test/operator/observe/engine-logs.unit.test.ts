/** The engine's log is a help to people: no decision waits long for it. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { ApiError } from "../../../src/kube/api-error.ts";
import { Client } from "../../../src/kube/client.ts";
import { silent } from "../../../src/kube/log.ts";
import type { HttpResponse, Transport } from "../../../src/kube/transport.ts";
import { EngineLogs } from "../../../src/operator/observe/engine-logs.ts";
import { observed } from "../plan/builders.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const pod = (phase: string): Pod => ({ metadata: { name: "p", uid: "u" }, status: { phase } });
const running = observed({ pods: [pod("Running")] });
const ended = observed({ pods: [pod("Failed")] });

async function* lines(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

const said = (text: string): HttpResponse => ({ status: 200, headers: {}, body: lines(text) });

/** The logs where each request goes to `answer`, and how many there were. */
function logsBy(answer: Transport): { logs: EngineLogs; asked: () => number } {
  const transport = vi.fn<Transport>(answer);
  return {
    logs: new EngineLogs(new Client(transport), silent),
    asked: () => transport.mock.calls.length,
  };
}

const silence: Transport = async ({ signal }) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

test("a node that does not answer is waited for three seconds, and then left alone for longer and longer", async () => {
  const { logs, asked } = logsBy(silence);
  let requests = 0;
  for (const pause of [5, 10, 20, 40, 60, 60]) {
    const read = logs.read(running);
    await vi.advanceTimersByTimeAsync(3000);
    expect(await read).toBeUndefined();
    requests += 1;
    await vi.advanceTimersByTimeAsync((pause - 1) * 1000);
    expect(await logs.read(running)).toBeUndefined();
    expect(asked(), `${pause} s are not over`).toBe(requests);
    await vi.advanceTimersByTimeAsync(2000);
  }
});

test("one that answers again is asked as often as before", async () => {
  let answer: Transport = silence;
  const { logs, asked } = logsBy(async (request) => answer(request));
  for (const pause of [5, 10]) {
    const read = logs.read(running);
    await vi.advanceTimersByTimeAsync(3000 + pause * 1000);
    await read;
  }
  answer = async () => said("on it");
  expect(await logs.read(running)).toBe("on it");
  await vi.advanceTimersByTimeAsync(5000);
  answer = silence;
  const read = logs.read(running);
  await vi.advanceTimersByTimeAsync(3000 + 5000);
  await read;
  void logs.read(running);
  expect(asked()).toBe(5);
});

test("a connection that breaks, or a container that is not there yet, is no failure", async () => {
  const broken = logsBy(async () => Promise.reject(new Error("read ECONNRESET")));
  expect(await broken.logs.read(running)).toBeUndefined();
  const early = logsBy(async () => Promise.reject(new ApiError("read", 400)));
  expect(await early.logs.read(running)).toBeUndefined();
  await vi.advanceTimersByTimeAsync(5000);
  await early.logs.read(running);
  expect(early.asked()).toBe(2);
});

test("one that may not be read, by us or by the API server, stops nobody", async () => {
  const { logs, asked } = logsBy(async () => Promise.reject(new ApiError("read", 403)));
  expect(await logs.read(running)).toBeUndefined();
  await vi.advanceTimersByTimeAsync(4000);
  expect(await logs.read(running)).toBeUndefined();
  expect(asked()).toBe(1);
});

test("what an engine that has ended said last is read once", async () => {
  const { logs, asked } = logsBy(async () => Promise.resolve(said("the end")));
  expect(await logs.read(running)).toBe("the end");
  expect(await logs.read(running)).toBeUndefined();
  expect(await logs.read(ended)).toBe("the end");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await logs.read(ended)).toBe("the end");
  expect(asked()).toBe(2);
});
