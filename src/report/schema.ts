/**
 * What the engine says and whoever started it hears: JSON lines on standard output. This
 * schema is all that the engine and the operator share.
 */
import { z } from "zod";
import { reasons, type Reason } from "./reasons.ts";
import { outputFormats, verificationLevels } from "./terms.ts";

const bytes = z.int().nonnegative();

export const OutputFormat = z.enum(outputFormats);
export type OutputFormat = z.infer<typeof OutputFormat>;

export const VerificationLevel = z.enum(verificationLevels);
export type VerificationLevel = z.infer<typeof VerificationLevel>;

export const ReadStrategy = z
  .enum(["SharedExtents", "SparseScan", "FullScan"])
  .describe(
    "SharedExtents: extents that both images share on disk and holes were not read. SparseScan: holes and known zeroes were not read. FullScan: every byte was read.",
  );
export type ReadStrategy = z.infer<typeof ReadStrategy>;

export const Progress = z.object({
  type: z.literal("progress"),
  phase: z
    .enum(["Comparing", "Verifying", "Converting", "Restoring"])
    .describe("Converting: a qed overlay is made. Restoring: a full image is."),
  bytesDone: bytes.describe("Bytes of the virtual disk that this phase is done with."),
  bytesTotal: bytes.describe("Virtual size of the disk in bytes."),
  percent: z.number().min(0).max(100).describe("bytesDone as a percentage of bytesTotal."),
});
export type Progress = z.infer<typeof Progress>;

export const ChainLink = z.object({
  path: z.string().describe("Absolute path of the file as it was opened."),
  format: z.string().describe("Format of the image, by QEMU's name."),
  backingFile: z
    .string()
    .nullable()
    .describe("The backing file's name as recorded in this file; null where the chain ends."),
});
export type ChainLink = z.infer<typeof ChainLink>;

export const OverlayResult = z.object({
  type: z.literal("result"),
  mode: z.enum(["Diff", "Estimate"]).describe("Estimate: nothing was written."),
  output: z.object({
    path: z.string().nullable().describe("Absolute path of the overlay; null for an estimate."),
    format: OutputFormat,
    virtualSizeBytes: bytes.describe("Size of the disk that a guest sees, in bytes."),
    fileSizeBytes: bytes.describe("Length of the overlay file in bytes."),
    allocatedBytes: bytes.describe(
      "Bytes of storage that the overlay takes; for an estimate the file's length.",
    ),
  }),
  savings: z.object({
    modifiedAllocatedBytes: bytes.describe(
      "Bytes of storage that the modified image takes with its backing files, but for those that the base has too. What it shares with other files by reflinks is counted in full.",
    ),
    overlayAllocatedBytes: bytes.describe("Bytes of storage that the overlay takes."),
    savedBytes: z.int().describe("The difference; negative if the overlay takes more."),
    percent: z.number().describe("savedBytes as a percentage of modifiedAllocatedBytes."),
  }),
  changes: z.object({
    dataBytes: bytes.describe("Bytes of the disk stored as data, in whole clusters."),
    zeroBytes: bytes.describe("Bytes of the disk recorded as zero, in whole clusters."),
    identicalBytes: bytes.describe("Bytes of the disk left to the backing file."),
  }),
  backingChain: z.array(ChainLink).describe("The overlay first, then its backing file, and so on."),
  backingChainTruncated: z
    .literal(true)
    .optional()
    .describe("Set where the chain was cut to fit into a termination message."),
  readStrategy: ReadStrategy,
  readStrategyReason: z.string().describe("Why this one, in a sentence."),
  verification: VerificationLevel.describe("What was proved about the overlay."),
  work: z.object({
    bytesRead: bytes.describe("Bytes read from both images to compare them."),
    compareSeconds: z.number().nonnegative().describe("Opening, comparing and writing."),
    verifySeconds: z.number().nonnegative().describe("Syncing to storage and verifying."),
    peakMemoryBytes: bytes.describe(
      "Most memory that the engine's own process held at once, in bytes; qemu-nbd's is apart.",
    ),
  }),
});
export type OverlayResult = z.infer<typeof OverlayResult>;

export const RestoreResult = z.object({
  type: z.literal("restored"),
  output: z.object({
    path: z.string().describe("Absolute path of the restored image."),
    format: z.enum(["raw", "qcow2"]).describe("Format of the restored image."),
    virtualSizeBytes: bytes,
    fileSizeBytes: bytes,
    allocatedBytes: bytes,
  }),
  backingChain: z.array(ChainLink),
});
export type RestoreResult = z.infer<typeof RestoreResult>;

export const VerifyResult = z.object({
  type: z.literal("verified"),
  virtualSizeBytes: bytes,
  backingChain: z.array(ChainLink),
});
export type VerifyResult = z.infer<typeof VerifyResult>;

export const ChainResult = z.object({
  type: z.literal("chain"),
  backingChain: z.array(ChainLink),
});
export type ChainResult = z.infer<typeof ChainResult>;

export const FailureReport = z.object({
  type: z.literal("failure"),
  reason: z
    .enum(Object.keys(reasons) as [Reason, ...Reason[]])
    .describe("The reason word; docs/reasons.md explains each."),
  message: z.string().describe("What was wrong, where, and what to do, in sentences."),
  exitCode: z.int().min(1).max(255).describe("The process's exit code."),
});
export type FailureReport = z.infer<typeof FailureReport>;

/** What a run that makes or estimates an overlay says, line by line. */
export const Line = z.discriminatedUnion("type", [Progress, OverlayResult, FailureReport]);
export type Line = z.infer<typeof Line>;

/** What any subcommand ends with. */
export type CommandResult = OverlayResult | RestoreResult | VerifyResult | ChainResult;
