/**
 * The ImageDiff resource. This schema is the one source of its types, its defaults, its
 * CustomResourceDefinition and its reference documentation.
 */
import { z } from "zod";
import { ResourceName } from "./fields.ts";
import { withRules } from "./rules.ts";
import { ImageDiffSpec } from "./spec.ts";
import { ImageDiffStatus } from "./status.ts";

export const GROUP = "imagediff.io";
export const VERSION = "v1alpha1";
export const API_VERSION = `${GROUP}/${VERSION}` as const;
export const KIND = "ImageDiff";

/** Longest name, in characters, that with `.qcow2` after it is still a file name of Linux. */
const MAX_NAME_FOR_PATH = 249;

const text = z.string().optional();
const anything = z.unknown().optional();

/** Kubernetes' ObjectMeta. The API server has its own schema for it; the CRD leaves it out. */
const Metadata = z.strictObject({
  name: ResourceName.describe("Name of the resource, unique in its namespace."),
  namespace: ResourceName.optional().describe("Namespace of the resource and of its claims."),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  uid: text,
  resourceVersion: text,
  generation: z.int().optional(),
  creationTimestamp: text,
  deletionTimestamp: text,
  deletionGracePeriodSeconds: anything,
  generateName: text,
  finalizers: anything,
  ownerReferences: anything,
  managedFields: anything,
  selfLink: anything,
});

/** The output's path in its claim: what the spec says, else the resource's name. */
export function outputPath(resource: {
  metadata: { name: string };
  spec: { output: { path?: string | undefined; format: string } };
}): string {
  const { path, format } = resource.spec.output;
  return path ?? `${resource.metadata.name}.${format}`;
}

/** The rule that the overlay is not written over one of the images that it is made from. */
function outputIsNot(source: "base" | "modified") {
  return {
    cel: `!has(self.spec.output.claimName) || self.spec.output.claimName != self.spec.${source}.claimName || (has(self.spec.output.path) ? self.spec.output.path : self.metadata.name + '.' + self.spec.output.format) != self.spec.${source}.path`,
    message: `must not be the path of ${source} on the same claim: give the overlay another path`,
    fieldPath: ".spec.output.path" as const,
    holds: (resource: { metadata: { name: string }; spec: ImageDiffSpec }) =>
      resource.spec.output.claimName !== resource.spec[source].claimName ||
      outputPath(resource) !== resource.spec[source].path,
  };
}

export const ImageDiff = withRules(
  z
    .strictObject({
      apiVersion: z.literal(API_VERSION),
      kind: z.literal(KIND),
      metadata: Metadata,
      spec: ImageDiffSpec.describe("What to compare, and where the overlay goes."),
      status: ImageDiffStatus.optional().describe("What became of it; written by the operator."),
    })
    .describe(
      "An ImageDiff turns a full copy of a disk image into a thin overlay over the image that it was copied from.",
    ),
  [
    outputIsNot("base"),
    outputIsNot("modified"),
    {
      cel: `has(self.spec.output.path) || self.metadata.name.size() <= ${MAX_NAME_FOR_PATH}`,
      message: "is required: the resource's name is too long to be the overlay's file name",
      fieldPath: ".spec.output.path",
      holds: ({ metadata, spec }) =>
        spec.output.path !== undefined || metadata.name.length <= MAX_NAME_FOR_PATH,
    },
  ],
);
export type ImageDiff = z.output<typeof ImageDiff>;
