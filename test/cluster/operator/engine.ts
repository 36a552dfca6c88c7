/** What the engine says, for tests that play it. */
import type { FailureReport, OverlayResult, Progress } from "../../../src/report/schema.ts";
import { reasons, type Reason } from "../../../src/report/reasons.ts";
import type { PlayedPod } from "../pod.ts";

const GIB = 2 ** 30;

export function progressLine(percent: number, phase: Progress["phase"] = "Comparing"): string {
  const line: Progress = {
    type: "progress",
    phase,
    bytesDone: Math.floor((GIB / 100) * percent),
    bytesTotal: GIB,
    percent,
  };
  return `${JSON.stringify(line)}\n`;
}

/** The result of comparing 1 GiB disks, with the overlay at that path. */
export function result(path: string | null = "/volumes/thin/web-01.qcow2"): OverlayResult {
  return {
    type: "result",
    mode: path === null ? "Estimate" : "Diff",
    output: {
      path,
      format: "qcow2",
      virtualSizeBytes: GIB,
      fileSizeBytes: 2 ** 20,
      allocatedBytes: 2 ** 20,
    },
    savings: {
      modifiedAllocatedBytes: 2 ** 29,
      overlayAllocatedBytes: 2 ** 20,
      savedBytes: 2 ** 29 - 2 ** 20,
      percent: 99.8,
    },
    changes: { dataBytes: 2 ** 19, zeroBytes: 2 ** 16, identicalBytes: GIB - 2 ** 19 - 2 ** 16 },
    backingChain: [
      ...(path === null ? [] : [{ path, format: "qcow2", backingFile: "../golden/disk.img" }]),
      { path: "/volumes/golden/disk.img", format: "raw", backingFile: null },
    ],
    readStrategy: "SparseScan",
    readStrategyReason: "The filesystem tells where the holes are.",
    verification: path === null ? "none" : "full",
    work: { bytesRead: 2 ** 30, compareSeconds: 1, verifySeconds: 1, peakMemoryBytes: 2 ** 27 },
  };
}

/** The engine runs, compares, and succeeds. */
export async function succeeds(pod: PlayedPod, said: OverlayResult = result()): Promise<void> {
  await pod.start();
  await pod.terminate({ exitCode: 0, message: JSON.stringify(said) });
}

/** The engine runs and fails for that reason. */
export async function fails(pod: PlayedPod, reason: Reason, message = "no"): Promise<void> {
  const said: FailureReport = { type: "failure", reason, message, exitCode: reasons[reason] };
  await pod.start();
  await pod.terminate({ exitCode: said.exitCode, message: JSON.stringify(said) });
}
