import { describe, expect, test } from "vitest";
import { ImageDiffStatus, StatusBounds } from "../../../src/api/status.ts";
import {
  startedStatus,
  statusAfterLine,
  type StatusContext,
} from "../../../src/operator/plan/status.ts";
import type { Line } from "../../../src/report/schema.ts";
import { comparing, mismatch, noSpace, result } from "./lines.ts";
import { resourceWith, volumesWith } from "./resources.ts";

const context: StatusContext = {
  resource: resourceWith({ "metadata.generation": 7 }),
  volumes: volumesWith(),
  now: new Date("2030-01-02T03:04:05.678Z"),
  willRetry: false,
};
const later = { ...context, now: new Date("2030-01-02T03:05:00Z") };
const T0 = "2030-01-02T03:04:05Z";
const T1 = "2030-01-02T03:05:00Z";

function after(lines: Line[], at: StatusContext = context): ImageDiffStatus {
  const status = lines.reduce<ImageDiffStatus>(
    (previous, line) => statusAfterLine(previous, line, at),
    startedStatus({}, context),
  );
  expect(ImageDiffStatus.parse(status)).toEqual(status);
  return status;
}

/** The conditions in short: `Ready=True/OverlayReady`. */
function conditions({ conditions: list = [] }: ImageDiffStatus): string[] {
  return list.map(({ type, status, reason }) => `${type}=${status}/${reason}`);
}

test("work in progress is not ready, and reconciling", () => {
  const status = after([comparing], later);
  expect(status).toMatchObject({
    observedGeneration: 7,
    phase: "Comparing",
    progress: { bytesDone: 1024, bytesTotal: 4096, percent: 25 },
    attempts: 1,
    startTime: T0,
  });
  expect(status).not.toHaveProperty("completionTime");
  expect(conditions(status)).toEqual(["Ready=False/Comparing", "Reconciling=True/Comparing"]);
  const times = status.conditions?.map(({ lastTransitionTime }) => lastTransitionTime);
  expect(times, "the status of the conditions has not changed").toEqual([T0, T0]);
  expect(status.conditions?.[0]?.observedGeneration).toBe(7);
});

test("a line that says nothing new changes nothing", () => {
  expect(after([comparing, comparing], later)).toEqual(after([comparing]));
});

test("a result makes it ready and verified", () => {
  const status = after([comparing, result], later);
  expect(status).toMatchObject({
    phase: "Succeeded",
    progress: { bytesDone: 4096, bytesTotal: 4096, percent: 100 },
    completionTime: T1,
    savings: { savedBytes: 2048, percent: 66, summary: "2 KiB (66%)" },
    changes: result.changes,
    readStrategy: "SparseScan",
    readStrategyReason: result.readStrategyReason,
  });
  expect(status.output).toEqual({
    claimName: "thin-images",
    path: "web-01.qcow2",
    format: "qcow2",
    virtualSizeBytes: 4096,
    fileSizeBytes: 2048,
    allocatedBytes: 1024,
  });
  expect(status.backingChain).toEqual([
    {
      claimName: "thin-images",
      path: "web-01.qcow2",
      format: "qcow2",
      backingFile: "../golden/disk.img",
    },
    { claimName: "golden", path: "disk.img", format: "raw" },
  ]);
  expect(conditions(status)).toEqual(["Ready=True/OverlayReady", "Verified=True/ContentIdentical"]);
  expect(status.conditions?.[0]).toMatchObject({
    lastTransitionTime: T1,
    message:
      "thin-images/web-01.qcow2 takes 1 KiB where the modified image takes 3 KiB: 66% saved.",
  });
});

test.each([
  ["metadata", "Verified=True/MetadataConsistent"],
  ["none", "Verified=Unknown/NotRequested"],
] as const)("verification %s is told as it is", (verification, verified) => {
  expect(conditions(after([{ ...result, verification }]))).toContain(verified);
});

test("an overlay larger than the image saves nothing, and less", () => {
  const savings = { ...result.savings, savedBytes: -10, percent: -0.5 };
  const status = after([{ ...result, savings }]);
  expect(status.savings?.percent).toBe(-1);
  expect(status.savings?.summary).toBe("-10 B (-1%)");
  expect(status.conditions?.[0]?.message).toContain("nothing is saved");
});

test("an estimate names no output file and verifies nothing", () => {
  const estimate = { ...result, mode: "Estimate" as const, backingChain: [] };
  const status = after([{ ...estimate, output: { ...result.output, path: null } }]);
  expect(status.output).not.toHaveProperty("claimName");
  expect(status.output).not.toHaveProperty("path");
  expect(conditions(status)).toEqual(["Ready=True/Estimated"]);
});

test("a Block claim is its own image, and an image elsewhere keeps its path", () => {
  const backingChain = [
    { path: "/volumes/golden", format: "raw", backingFile: "/srv/x.img" },
    { path: "/srv/x.img", format: "raw", backingFile: null },
  ];
  const block = { ...context, volumes: volumesWith("golden") };
  expect(after([{ ...result, backingChain }], block).backingChain).toEqual([
    { claimName: "golden", format: "raw", backingFile: "/srv/x.img" },
    { path: "/srv/x.img", format: "raw" },
  ]);
});

describe("a failure", () => {
  test("that is permanent stalls", () => {
    const status = after([comparing, mismatch], { ...later, willRetry: true });
    expect(status).toMatchObject({
      phase: "Failed",
      completionTime: T1,
      lastFailure: { reason: "SizeMismatch", message: mismatch.message, exitCode: 3 },
    });
    expect(conditions(status)).toEqual(["Ready=False/SizeMismatch", "Stalled=True/SizeMismatch"]);
  });

  test("that may pass waits for the retry, which keeps it as the last failure", () => {
    const waiting = after([noSpace], { ...context, willRetry: true });
    expect(waiting.phase).toBe("Waiting");
    expect(waiting).not.toHaveProperty("completionTime");
    expect(conditions(waiting)).toEqual(["Ready=False/NoSpace", "Reconciling=True/NoSpace"]);
    const done = statusAfterLine(startedStatus(waiting, later), result, later);
    expect(done).toMatchObject({ attempts: 2, startTime: T0, lastFailure: { reason: "NoSpace" } });
    expect(conditions(done)[0]).toBe("Ready=True/OverlayReady");
  });

  test("that may pass stalls when nobody retries", () => {
    expect(conditions(after([noSpace]))).toEqual(["Ready=False/NoSpace", "Stalled=True/NoSpace"]);
  });

  test("of the verification is the Verified condition too", () => {
    const line = { ...mismatch, reason: "VerificationFailed" as const, exitCode: 4 };
    expect(conditions(after([line]))).toEqual([
      "Ready=False/VerificationFailed",
      "Verified=False/VerificationFailed",
      "Stalled=True/VerificationFailed",
    ]);
  });

  test("with a long message keeps within the schema's bounds", () => {
    const status = after([{ ...mismatch, message: "🙂".repeat(5000) }]);
    expect(status.lastFailure?.message).toHaveLength(StatusBounds.message);
  });
});
