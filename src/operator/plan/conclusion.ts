/** How a run of the engine ended, from its last line and its exit code. */
import { ExitCode, reasons } from "../../report/reasons.ts";
import type { FailureReport, OverlayResult } from "../../report/schema.ts";

/**
 * The engine's own result or failure where it fits the exit code; else the failure that an
 * engine which ended without a word has had.
 */
export function conclusion(
  lastLine: OverlayResult | FailureReport | undefined,
  exitCode: number,
): OverlayResult | FailureReport {
  if (lastLine?.type === "failure") return lastLine;
  if (lastLine !== undefined && exitCode === ExitCode.Done) return lastLine;
  return silentFailure(exitCode);
}

/** The failure of an engine that ended without a word. */
export function silentFailure(exitCode: number): FailureReport {
  return {
    type: "failure",
    reason: "InternalError",
    message: `The engine ended with exit code ${exitCode} and did not say why; see its log.`,
    exitCode: exitCode === ExitCode.Done ? reasons.InternalError : exitCode,
  };
}
