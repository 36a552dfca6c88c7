/** The result as a container's termination message. */
import type { FailureReport, OverlayResult } from "./schema.ts";

/** A container's termination message holds at most 4096 bytes (Kubernetes, TerminationMessagePath). */
export const TERMINATION_MESSAGE_BYTES = 4096;

/**
 * The result or failure as JSON of at most 4096 bytes: first the backing chain loses its far
 * end, then a failure's message its tail.
 */
export function terminationMessage(line: OverlayResult | FailureReport): string {
  let fitting = line;
  let text = JSON.stringify(fitting);
  while (Buffer.byteLength(text) > TERMINATION_MESSAGE_BYTES) {
    if (fitting.type === "failure") {
      const message = `${fitting.message.slice(0, Math.floor(fitting.message.length * 0.9))}…`;
      fitting = { ...fitting, message };
    } else if (fitting.backingChain.length > 0) {
      const backingChain = fitting.backingChain.slice(0, -1);
      fitting = { ...fitting, backingChain, backingChainTruncated: true };
    } else {
      fitting = { ...fitting, readStrategyReason: "", output: { ...fitting.output, path: null } };
    }
    text = JSON.stringify(fitting);
  }
  return text;
}
