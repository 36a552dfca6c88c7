/** The result of a run as a report. */
import { fstatSync } from "node:fs";
import type { OverlayResult } from "../report/schema.ts";
import { chainOf } from "./image/image.ts";
import { ownAllocatedBytes } from "./image/prepare.ts";
import type { ReadableInputs } from "./inputs.ts";
import type { BackingRecord } from "./overlay/header.ts";
import type { OutputFile } from "./overlay/output-file.ts";
import type { OverlayFigures } from "./overlay/writer.ts";
import type { DiffRequest } from "./request.ts";

export interface RunFigures extends OverlayFigures {
  readonly bytesRead: number;
  readonly compareSeconds: number;
  readonly verifySeconds: number;
}

export function overlayResult(
  request: DiffRequest,
  inputs: ReadableInputs,
  backing: BackingRecord,
  output: OutputFile | null,
  figures: RunFigures,
): OverlayResult {
  const { format } = request.options;
  const { virtualSize } = inputs;
  const { dataBytes, zeroBytes, bytesRead, compareSeconds, verifySeconds } = figures;
  const written = output === null ? null : fstatSync(output.fd);
  const path = output?.finalPath ?? null;
  const own = path === null ? [] : [{ path, format, backingFile: backing.name }];
  const allocatedBytes = written === null ? figures.fileSize : written.blocks * 512;
  return {
    type: "result",
    mode: output === null ? "Estimate" : "Diff",
    output: {
      path,
      format,
      virtualSizeBytes: virtualSize,
      fileSizeBytes: written?.size ?? figures.fileSize,
      allocatedBytes,
    },
    savings: savings(ownAllocatedBytes(inputs.modified.image, inputs.base.image), allocatedBytes),
    changes: { dataBytes, zeroBytes, identicalBytes: virtualSize - dataBytes - zeroBytes },
    backingChain: [...own, ...chainOf(inputs.base.image)],
    readStrategy: inputs.strategy.name,
    readStrategyReason: inputs.strategy.reason,
    verification: output === null ? "none" : request.verification,
    work: {
      bytesRead,
      compareSeconds,
      verifySeconds,
      // getrusage(2) counts in KiB.
      peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    },
  };
}

function savings(modified: number, overlay: number): OverlayResult["savings"] {
  const savedBytes = modified - overlay;
  return {
    modifiedAllocatedBytes: modified,
    overlayAllocatedBytes: overlay,
    savedBytes,
    percent: modified === 0 ? 0 : Math.round((savedBytes / modified) * 10000) / 100,
  };
}
