/** Lines of the engine for tests. */
import type { FailureReport, OverlayResult, Progress } from "../../../src/report/schema.ts";

export const comparing: Progress = {
  type: "progress",
  phase: "Comparing",
  bytesDone: 1024,
  bytesTotal: 4096,
  percent: 25.9,
};

export const result: OverlayResult = {
  type: "result",
  mode: "Diff",
  output: {
    path: "/volumes/thin-images/web-01.qcow2",
    format: "qcow2",
    virtualSizeBytes: 4096,
    fileSizeBytes: 2048,
    allocatedBytes: 1024,
  },
  savings: {
    modifiedAllocatedBytes: 3072,
    overlayAllocatedBytes: 1024,
    savedBytes: 2048,
    percent: 66.67,
  },
  changes: { dataBytes: 1024, zeroBytes: 0, identicalBytes: 3072 },
  backingChain: [
    {
      path: "/volumes/thin-images/web-01.qcow2",
      format: "qcow2",
      backingFile: "../golden/disk.img",
    },
    { path: "/volumes/golden/disk.img", format: "raw", backingFile: null },
  ],
  readStrategy: "SparseScan",
  readStrategyReason: "The images share no extents.",
  verification: "full",
  work: { bytesRead: 8192, compareSeconds: 0.5, verifySeconds: 0.5, peakMemoryBytes: 100_000_000 },
};

export const mismatch: FailureReport = {
  type: "failure",
  reason: "SizeMismatch",
  message: "base has 4096 bytes, modified 8192: allow a size difference.",
  exitCode: 3,
};

export const noSpace: FailureReport = {
  type: "failure",
  reason: "NoSpace",
  message: "the output's file system is full.",
  exitCode: 1,
};
