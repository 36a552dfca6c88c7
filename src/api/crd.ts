/** The CustomResourceDefinition of ImageDiff, made from its schema. */
import { API_VERSION, GROUP, ImageDiff, KIND, VERSION } from "./resource.ts";
import { structuralSchema, type StructuralSchema } from "./structural.ts";

export const PLURAL = "imagediffs";
export const SHORT_NAME = "idiff";

export interface PrinterColumn {
  name: string;
  type: "string" | "integer" | "date";
  /** What the column shows; `kubectl` does not print it, the reference does. */
  description: string;
  jsonPath: string;
  /** 1 for columns that only `kubectl get -o wide` shows. */
  priority?: 1;
}

function condition(type: string): string {
  return `.status.conditions[?(@.type=="${type}")].status`;
}

/** What `kubectl get imagediffs` shows besides the name, in this order. */
export const printerColumns: PrinterColumn[] = [
  {
    name: "Phase",
    type: "string",
    description: "Where the work is, in one word.",
    jsonPath: ".status.phase",
  },
  {
    name: "Progress",
    type: "integer",
    description: "How far the phase is, in percent.",
    jsonPath: ".status.progress.percent",
  },
  {
    name: "Base",
    type: "string",
    description: "Claim of the base image.",
    jsonPath: ".spec.base.claimName",
  },
  {
    name: "Modified",
    type: "string",
    description: "Claim of the modified image.",
    jsonPath: ".spec.modified.claimName",
  },
  {
    name: "Saved",
    type: "string",
    description: "Storage that the overlay saves.",
    jsonPath: ".status.savings.summary",
  },
  {
    name: "Ready",
    type: "string",
    description: "Status of the condition Ready: whether the work is done.",
    jsonPath: condition("Ready"),
  },
  {
    name: "Age",
    type: "date",
    description: "Time since the resource was made.",
    jsonPath: ".metadata.creationTimestamp",
  },
  {
    name: "Output",
    type: "string",
    description: "Claim of the overlay.",
    jsonPath: ".spec.output.claimName",
    priority: 1,
  },
  {
    name: "Node",
    type: "string",
    description: "Node that the engine runs or ran on.",
    jsonPath: ".status.node",
    priority: 1,
  },
  {
    name: "Verified",
    type: "string",
    description: "Status of the condition Verified: whether the overlay was proved.",
    jsonPath: condition("Verified"),
    priority: 1,
  },
  {
    name: "Attempts",
    type: "integer",
    description: "How many pods have tried to do the work.",
    jsonPath: ".status.attempts",
    priority: 1,
  },
];

/** Fields that `kubectl get imagediffs --field-selector` takes besides name and namespace. */
export const selectableFields = [
  ".spec.base.claimName",
  ".spec.modified.claimName",
  ".spec.output.claimName",
  ".status.phase",
];

/** The CustomResourceDefinition, to be applied to a cluster as it is. */
export function customResourceDefinition(): object {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: `${PLURAL}.${GROUP}`,
      labels: { "app.kubernetes.io/name": "imagediff" },
    },
    spec: {
      group: GROUP,
      names: {
        kind: KIND,
        listKind: `${KIND}List`,
        plural: PLURAL,
        singular: KIND.toLowerCase(),
        shortNames: [SHORT_NAME],
        // `kubectl get all` lists the Job of an ImageDiff: it lists the ImageDiff with it.
        categories: ["all"],
      },
      scope: "Namespaced",
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: resourceSchema() },
          subresources: { status: {} },
          selectableFields: selectableFields.map((jsonPath) => ({ jsonPath })),
          additionalPrinterColumns: printerColumns,
        },
      ],
    },
  };
}

/**
 * The schema of the whole resource. The API server itself checks apiVersion, kind and metadata, and
 * lets a definition say no more of metadata than what a name may be.
 */
export function resourceSchema(): StructuralSchema {
  const schema = structuralSchema(ImageDiff);
  return {
    ...schema,
    properties: {
      ...schema.properties,
      apiVersion: {
        description: `Group and version of this form of the resource: ${API_VERSION}.`,
        type: "string",
        maxLength: 253,
      },
      kind: {
        description: `Kind of resource that this is: ${KIND}.`,
        type: "string",
        maxLength: 63,
      },
      metadata: { type: "object" },
    },
  };
}
