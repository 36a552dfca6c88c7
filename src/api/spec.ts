/** What a user asks for: the `spec` of an ImageDiff. */
import { z } from "zod";
import { OutputFormat } from "../report/schema.ts";
import { ClusterSize, clusterSizeBytes, QED_MIN_CLUSTER_BYTES } from "./cluster-size.ts";
import { BackingFileName, PathInClaim, ResourceName } from "./fields.ts";
import { JobSettings } from "./job.ts";
import { immutable, withRules } from "./rules.ts";

export const ImageFormat = z.enum([
  "raw",
  "qcow2",
  "vmdk",
  "vdi",
  "vhdx",
  "vpc",
  "qed",
  "parallels",
]);
export type ImageFormat = z.infer<typeof ImageFormat>;

/** Longest time that a field may ask for, in seconds (int32). */
const MAX_SECONDS = 2 ** 31 - 1;

const Source = z.strictObject({
  claimName: ResourceName.describe(
    "PersistentVolumeClaim that holds the image, in the resource's namespace.",
  ),
  path: PathInClaim.default("disk.img").describe(
    "Path of the image inside of the claim. Ignored for a Block claim, whose device is the image. Default: disk.img, as KubeVirt names it.",
  ),
  format: ImageFormat.default("raw").describe(
    "Format of the image. It is never guessed: what a guest wrote into a raw disk cannot pass for another format. Default: raw.",
  ),
});
export type Source = z.output<typeof Source>;

const Output = withRules(
  z.strictObject({
    claimName: ResourceName.optional().describe(
      "PersistentVolumeClaim (Filesystem mode) that the overlay is written to, in the resource's namespace. Mode Estimate needs none.",
    ),
    path: PathInClaim.optional().describe(
      "Path of the overlay inside of the claim; its folder must exist. Default: the resource's name with the format as extension, such as web-01.qcow2.",
    ),
    format: OutputFormat.default("qcow2").describe(
      "Format of the overlay, one of those that have backing files. Default: qcow2.",
    ),
    compression: z
      .enum(["None", "Zlib", "Zstd"])
      .default("None")
      .describe(
        "Compression of the overlay's data clusters; needs format qcow2. Zstd needs QEMU 5.1 or newer to read. Default: None.",
      ),
    clusterSize: ClusterSize.default("64Ki").describe(
      "Unit of allocation of the overlay as a Kubernetes quantity: a power of two from 512 to 2Mi bytes, for qed from 4Ki. Smaller clusters make a smaller overlay of scattered changes, but bound the disk's size. Default: 64Ki.",
    ),
    overwrite: z
      .boolean()
      .default(false)
      .describe("Replace a file that is already at the output's path. Default: false."),
    backingFile: BackingFileName.optional().describe(
      "Name of the base image to record in the overlay, as it will be found from the overlay's folder. Default: ../<base claim>/<base path>, or ../<base claim> for a Block claim, which resolves wherever claims are mounted side by side.",
    ),
  }),
  [
    {
      cel: "self.compression == 'None' || self.format == 'qcow2'",
      message: "must be None unless output.format is qcow2: no other format compresses",
      fieldPath: ".compression",
      holds: ({ compression, format }) => compression === "None" || format === "qcow2",
    },
    {
      cel: `self.format != 'qed' || !isQuantity(self.clusterSize) || quantity(self.clusterSize).compareTo(quantity('${QED_MIN_CLUSTER_BYTES}')) >= 0`,
      message: "must be at least 4Ki where output.format is qed",
      fieldPath: ".clusterSize",
      holds: ({ format, clusterSize }) =>
        format !== "qed" || !(clusterSizeBytes(clusterSize) < QED_MIN_CLUSTER_BYTES),
    },
    immutable,
  ],
);

export const ImageDiffSpec = withRules(
  z.strictObject({
    base: withRules(Source, [immutable]).describe(
      "The image that everyone started from. It becomes the overlay's backing file and is never written. Cannot change once set.",
    ),
    modified: withRules(Source, [immutable]).describe(
      "A full copy of base that has since changed, such as a VM's disk. It is never written. Cannot change once set.",
    ),
    // With all its defaults: the API server applies the rules of Output to this very value.
    output: Output.prefault(Output.parse({})).describe(
      "The overlay: an image of only what differs, with base as its backing file. Cannot change once set.",
    ),
    mode: withRules(z.enum(["Diff", "Estimate"]), [immutable])
      .default("Diff")
      .describe(
        "Diff writes the overlay. Estimate writes nothing and reports the exact size that the overlay would have. Default: Diff. Cannot change once set.",
      ),
    verification: withRules(z.enum(["Full", "Metadata", "None"]), [immutable])
      .default("Full")
      .describe(
        "What is proved before the overlay gets its name. Full: it is consistent, and over base it equals modified, byte for byte. Metadata: it is consistent. Default: Full. Cannot change once set.",
      ),
    allowSizeDifference: withRules(z.boolean(), [immutable])
      .default(false)
      .describe(
        "Accept images of unequal size; the shorter one counts as followed by zeroes, and the overlay has modified's size. Default: false. Cannot change once set.",
      ),
    sourceUse: z
      .enum(["RequireIdle", "AllowReadOnly"])
      .default("RequireIdle")
      .describe(
        "Which pods may hold the source claims meanwhile. RequireIdle: none. AllowReadOnly: those that mount them read-only. Default: RequireIdle.",
      ),
    suspend: z
      .boolean()
      .default(false)
      .describe("Start no work, and stop what has started, until this is false. Default: false."),
    backoffLimit: z
      .int()
      .min(0)
      .max(100)
      .default(3)
      .describe("Retries after failures that may pass, 0 to 100. Default: 3."),
    activeDeadlineSeconds: z
      .int()
      .min(1)
      .max(MAX_SECONDS)
      .default(14_400)
      .describe(
        "Seconds from the making of the Job in which the work must be done, or it fails: the time in which its pod does not start counts, and retries do, but not the waiting before. Default: 14400.",
      ),
    ttlSecondsAfterFinished: z
      .int()
      .min(0)
      .max(MAX_SECONDS)
      .optional()
      .describe(
        "Seconds after which a finished ImageDiff is deleted; its overlay stays. Default: never, because a resource that deletes itself fights GitOps.",
      ),
    job: JobSettings.optional().describe("Settings of the Job that does the work."),
  }),
  [
    {
      cel: "self.base.claimName != self.modified.claimName || self.base.path != self.modified.path",
      message: "must be another image than base: an image does not differ from itself",
      fieldPath: ".modified",
      holds: ({ base, modified }) =>
        base.claimName !== modified.claimName || base.path !== modified.path,
    },
    {
      cel: "self.mode == 'Estimate' || has(self.output.claimName)",
      message: "is required in mode Diff: name the claim that the overlay is written to",
      fieldPath: ".output.claimName",
      holds: ({ mode, output }) => mode === "Estimate" || output.claimName !== undefined,
    },
  ],
);
export type ImageDiffSpec = z.output<typeof ImageDiffSpec>;
