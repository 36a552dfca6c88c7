/** What an engine says: its log while it works, and its last words. */
import { outputPath, type ImageDiff } from "../../../../src/api/resource.ts";
import { reasons } from "../../../../src/report/reasons.ts";
import type { FailureReport, OverlayResult, Progress } from "../../../../src/report/schema.ts";
import type { Ending } from "../script.ts";

const GIB = 2 ** 30;

export interface Exit {
  exitCode: number;
  /** As the kubelet calls it. */
  reason: string;
  /** The termination message. */
  message?: string;
}

/** The log of an engine that has done such a part of its work. */
export function logOf(part: number): string {
  const lines = ["image sizes: 1073741824 1073741824"];
  for (let percent = 0; percent <= Math.floor(part * 100); percent += 10) {
    const line: Progress = {
      type: "progress",
      phase: percent < 70 ? "Comparing" : "Verifying",
      bytesDone: Math.floor((GIB * percent) / 100),
      bytesTotal: GIB,
      percent: percent + 0.5,
    };
    lines.push(JSON.stringify(line));
  }
  return `${lines.join("\n")}\n`;
}

/** How an engine's container ends. */
export function exitOf(ending: Ending, resource: ImageDiff): Exit {
  switch (ending.how) {
    case "succeeds": {
      const said = ending.silently ? {} : { message: JSON.stringify(resultOf(resource)) };
      return { exitCode: 0, reason: "Completed", ...said };
    }
    case "fails": {
      const exitCode = reasons[ending.reason];
      const message = `What ${ending.reason} means in the life of ${resource.metadata.name}.`;
      const said: FailureReport = { type: "failure", reason: ending.reason, message, exitCode };
      return { exitCode, reason: "Error", message: JSON.stringify(said) };
    }
    case "dies":
      return { exitCode: ending.exitCode, reason: ending.reason ?? "Error" };
    case "cannotStart":
      return { exitCode: 128, reason: "StartError", message: "exec: no such file" };
    case "evicted":
      return { exitCode: 137, reason: "Error" };
  }
}

/** The end of an engine that is told to stop. */
export function stopped(): Exit {
  const said: FailureReport = {
    type: "failure",
    reason: "Interrupted",
    message: "Stopped by SIGTERM; nothing was written.",
    exitCode: 143,
  };
  return { exitCode: 143, reason: "Error", message: JSON.stringify(said) };
}

function resultOf(resource: ImageDiff): OverlayResult {
  const { mode, verification, output } = resource.spec;
  // Each ImageDiff has its own figures.
  const changed = 65536 * (resource.metadata.name.length + Number(resource.metadata.name.at(-1)));
  const path = mode === "Diff" ? `/volumes/${output.claimName}/${outputPath(resource)}` : null;
  const allocatedBytes = changed + 327_680;
  return {
    type: "result",
    mode,
    output: {
      path,
      format: output.format,
      virtualSizeBytes: GIB,
      fileSizeBytes: allocatedBytes,
      allocatedBytes,
    },
    savings: {
      modifiedAllocatedBytes: GIB / 2,
      overlayAllocatedBytes: allocatedBytes,
      savedBytes: GIB / 2 - allocatedBytes,
      percent: 99.5,
    },
    changes: { dataBytes: changed, zeroBytes: 0, identicalBytes: GIB - changed },
    backingChain: [
      ...(path === null
        ? []
        : [{ path, format: output.format, backingFile: "../golden/disk.img" }]),
      { path: "/volumes/golden/disk.img", format: "raw", backingFile: null },
    ],
    readStrategy: "SparseScan",
    readStrategyReason: "The filesystem tells where the holes are.",
    verification: verification.toLowerCase() as "full" | "metadata" | "none",
    work: { bytesRead: GIB, compareSeconds: 1, verifySeconds: 1, peakMemoryBytes: 2 ** 27 },
  };
}
