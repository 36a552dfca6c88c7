/** Progress from the end of the engine's log. */
import { expect, test } from "vitest";
import { plan } from "../../../src/operator/plan/plan.ts";
import type { ImageDiffStatus } from "../../../src/api/status.ts";
import { jobFor, observed, podOf, runningEngine } from "./builders.ts";
import { comparing } from "./lines.ts";

const job = jobFor();
const pods = [podOf(job, { engine: runningEngine, status: { phase: "Running" } })];

function after(status: ImageDiffStatus, ...lines: (object | string)[]): ImageDiffStatus {
  const log = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)));
  return plan(observed({ jobs: [job], pods, status, log: log.join("\n") })).status;
}

const quarter = after({}, comparing);

test("the last line of progress counts, wherever other lines stand", () => {
  expect(quarter.progress).toEqual({ bytesDone: 1024, bytesTotal: 4096, percent: 25 });
  const half = { ...comparing, bytesDone: 2048, percent: 50 };
  expect(after(quarter, comparing, half, "a warning", '{"type":"prog').progress?.percent).toBe(50);
  expect(after(quarter, half, comparing)).toEqual(quarter);
});

test("another percent is worth a write, more bytes of the same are not", () => {
  expect(after(quarter, { ...comparing, bytesDone: 1030, percent: 25.99 })).toEqual(quarter);
  expect(after(quarter, { ...comparing, bytesDone: 1070, percent: 26 }).progress).toEqual({
    bytesDone: 1070,
    bytesTotal: 4096,
    percent: 26,
  });
});

test("a phase begins anew, at whatever percent", () => {
  expect(after(quarter, { ...comparing, phase: "Verifying" })).toMatchObject({
    phase: "Verifying",
    progress: { percent: 25 },
  });
});

test.each(["", "text", "{", "null", '{"type":"progress","phase":"Sleeping"}'])(
  "without a line of progress all stays as it is: %j",
  (line) => {
    expect(after(quarter, line)).toEqual(quarter);
  },
);
