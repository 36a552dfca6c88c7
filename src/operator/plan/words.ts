/** The sentences of a status that say what the work has come to. */
import prettyBytes from "pretty-bytes";
import { outputPath, type ImageDiff } from "../../api/resource.ts";
import type { OperatorReason } from "./reasons.ts";
import type { OverlayResult, VerificationLevel } from "../../report/schema.ts";

/** What the overlay takes, or would take, and what that saves. */
export function savingsSentence(result: OverlayResult, { metadata, spec }: ImageDiff): string {
  const { overlayAllocatedBytes, modifiedAllocatedBytes, savedBytes, percent } = result.savings;
  const overlay =
    result.mode === "Estimate"
      ? "The overlay would take"
      : `${spec.output.claimName}/${outputPath({ metadata, spec })} takes`;
  const saved = savedBytes > 0 ? `${Math.floor(percent)}% saved` : "nothing is saved";
  return `${overlay} ${size(overlayAllocatedBytes)} where the modified image takes ${size(modifiedAllocatedBytes)}: ${saved}.`;
}

/** What is saved in a few characters: 1.4 GiB (93%). Less than zero is what the overlay costs. */
export function savingsSummary(savings: { savedBytes: number; percent: number }): string {
  return `${size(savings.savedBytes)} (${savings.percent}%)`;
}

/** The Verified condition of an overlay that was verified as far as asked for. */
export function verifiedWords(level: VerificationLevel): {
  verified: "True" | "Unknown";
  reason: OperatorReason;
  message: string;
} {
  switch (level) {
    case "full":
      return {
        verified: "True",
        reason: "ContentIdentical",
        message: "The overlay over base equals the modified image, byte for byte.",
      };
    case "metadata":
      return {
        verified: "True",
        reason: "MetadataConsistent",
        message: "The overlay's metadata is consistent; its content was not compared.",
      };
    case "none":
      return {
        verified: "Unknown",
        reason: "NotRequested",
        message: "The resource asks for no verification.",
      };
  }
}

function size(bytes: number): string {
  return prettyBytes(bytes, { binary: true });
}
