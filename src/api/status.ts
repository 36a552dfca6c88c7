/** What became of an ImageDiff: its `status`. People read the phase, machines the conditions. */
import { z } from "zod";
import { OutputFormat, ReadStrategy } from "../report/schema.ts";
import { Bytes, characters, Timestamp } from "./fields.ts";

/** Bounds of the status' texts and lists; whoever writes a status keeps within them. */
export const StatusBounds = {
  /** Characters of a path, and of a backing file's name. */
  path: 4096,
  /** Characters of a message. */
  message: 4096,
  /** Characters of the end of a log. */
  logTail: 8192,
  /** Images of a backing chain. */
  chain: 64,
} as const;

const name = characters(253);
const path = characters(StatusBounds.path);
const message = characters(StatusBounds.message);
const reason = characters(128).regex(/^[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?$/);

/** The types of condition that an ImageDiff has, and what each one says. */
export const conditionTypes = {
  Ready: "True once the work is done; what `kubectl wait` and health checks look at.",
  Reconciling: "True while work goes on or is about to; absent otherwise.",
  Stalled: "True when nothing goes on without help from a person; absent otherwise.",
  SourcesIdle: "Whether no pod holds base or modified in a way that `spec.sourceUse` forbids.",
  Schedulable: "Whether there is a node on which all the claims can be mounted.",
  Verified: "Whether the overlay was proved as far as `spec.verification` asks.",
} as const;

/** Kubernetes' metav1.Condition. */
export const Condition = z.object({
  type: characters(64).describe(
    `One of ${Object.keys(conditionTypes).join(", ")}. Reconciling and Stalled are there only while they are true.`,
  ),
  status: z.enum(["True", "False", "Unknown"]).describe("Whether the condition holds."),
  observedGeneration: z
    .int()
    .nonnegative()
    .optional()
    .describe("Generation of the resource that the condition is about."),
  lastTransitionTime: Timestamp.describe("When the condition's status last changed."),
  reason: reason.describe("One word for why; the same in events and in the documentation."),
  message: message.describe("A sentence for people."),
});
export type Condition = z.output<typeof Condition>;

export const Phase = z.enum([
  "Pending",
  "Suspended",
  "Waiting",
  "Starting",
  "Comparing",
  "Converting",
  "Verifying",
  "Succeeded",
  "Failed",
]);
export type Phase = z.infer<typeof Phase>;

const Progress = z.object({
  bytesDone: Bytes.describe("Bytes of the virtual disk that the phase is done with."),
  bytesTotal: Bytes.describe("Virtual size of the disk in bytes."),
  percent: z.int().min(0).max(100).describe("The same in whole percent, rounded down."),
});

const OutputStatus = z.object({
  claimName: name.optional().describe("Claim that holds the overlay; absent for an estimate."),
  path: path.optional().describe("Path of the overlay in its claim; absent for an estimate."),
  format: OutputFormat.describe("Format of the overlay."),
  virtualSizeBytes: Bytes.describe("Size of the disk that a guest sees, in bytes."),
  fileSizeBytes: Bytes.describe("Length of the overlay file in bytes."),
  allocatedBytes: Bytes.describe(
    "Bytes of storage that the overlay takes; for an estimate the file's length.",
  ),
});

const Savings = z.object({
  modifiedAllocatedBytes: Bytes.describe(
    "Bytes of storage that the modified image takes with its backing files, but for those that the base has too. What it shares with other files by reflinks is counted in full.",
  ),
  overlayAllocatedBytes: Bytes.describe("Bytes of storage that the overlay takes."),
  savedBytes: z.int().describe("The difference in bytes; negative if the overlay takes more."),
  percent: z
    .int()
    .describe("What is saved of modifiedAllocatedBytes, in whole percent, rounded down."),
  summary: characters(64).describe("The last two for people, such as 1.4 GiB (93%)."),
});

const Changes = z.object({
  dataBytes: Bytes.describe("Bytes of the disk stored as data, in whole clusters."),
  zeroBytes: Bytes.describe("Bytes of the disk recorded as zero, in whole clusters."),
  identicalBytes: Bytes.describe("Bytes of the disk left to the backing file."),
});

const BackingChainLink = z.object({
  claimName: name.optional().describe("Claim that holds the image."),
  path: path
    .optional()
    .describe("Path of the image in its claim; absent for a Block claim, whose device it is."),
  format: characters(32).describe("Format of the image."),
  backingFile: path
    .optional()
    .describe("Name of the backing file as the image records it; absent where the chain ends."),
});
export type BackingChainLink = z.output<typeof BackingChainLink>;

const LastFailure = z.object({
  reason: reason.describe("One word for why; the same in conditions, events and documentation."),
  message: message.describe("What is wrong with which input, and what to do."),
  exitCode: z.int().min(0).max(255).optional().describe("Exit code of the engine, if it ran."),
  logTail: characters(StatusBounds.logTail)
    .optional()
    .describe("The end of the engine's log, if it has more to say."),
});
export type LastFailure = z.output<typeof LastFailure>;

export const ImageDiffStatus = z.object({
  observedGeneration: z
    .int()
    .nonnegative()
    .optional()
    .describe("Generation of the resource that this status is about."),
  phase: Phase.optional().describe("Where the work is, in one word, for people."),
  progress: Progress.optional().describe("How far the phase is."),
  attempts: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .optional()
    .describe(
      "How many pods have tried to do the work; those that a drained node ended may be missing.",
    ),
  startTime: Timestamp.optional().describe("When the work began."),
  completionTime: Timestamp.optional().describe("When the work succeeded or finally failed."),
  node: name.optional().describe("Node that the engine runs or ran on."),
  jobName: name.optional().describe("Job that does the work."),
  output: OutputStatus.optional().describe("The overlay that was written or estimated."),
  savings: Savings.optional().describe("What storing the overlay instead of modified saves."),
  changes: Changes.optional().describe("How much of the disk the overlay holds."),
  backingChain: z
    .array(BackingChainLink)
    .max(StatusBounds.chain)
    .optional()
    .describe("The overlay, then its backing file, and so on."),
  readStrategy: ReadStrategy.optional(),
  readStrategyReason: message.optional().describe("Why that read strategy was taken."),
  lastFailure: LastFailure.optional().describe("The last failure, also if a retry then worked."),
  conditions: z
    .array(Condition)
    .max(16)
    .optional()
    .describe("Kubernetes conditions. Ready is true once the work is done.")
    .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] }),
});
export type ImageDiffStatus = z.output<typeof ImageDiffStatus>;
