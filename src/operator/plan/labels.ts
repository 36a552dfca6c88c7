/** By what the engine's Jobs and pods are named and found. */
import { createHash } from "node:crypto";
import { GROUP, type ImageDiff } from "../../api/resource.ts";

/** The engine's container in its pod. */
export const ENGINE_CONTAINER = "engine";

/** Labels of each Job that the operator makes, and of its pods. */
export const ENGINE_LABELS = {
  "app.kubernetes.io/name": "imagediff",
  "app.kubernetes.io/component": "engine",
  "app.kubernetes.io/managed-by": "imagediff",
} as const;

/** The same as a selector, for lists and watches. */
export const ENGINE_SELECTOR = Object.entries(ENGINE_LABELS)
  .map((label) => label.join("="))
  .join(",");

/** The label that the Job controller gives to a Job's pods. */
export const JOB_NAME_LABEL = "batch.kubernetes.io/job-name";

/** Label or annotation with the ImageDiff's name. */
export const NAME_KEY = `${GROUP}/name`;

/** Annotation of a Job: which settings of the ImageDiff it was made with. */
export const SETTINGS_KEY = `${GROUP}/job-settings`;

/** Annotation of a Job: of which generation of the ImageDiff it has the limits. */
export const GENERATION_KEY = `${GROUP}/generation`;

/** Longest value of a label, in characters. */
const LABEL_MAX_LENGTH = 63;

/**
 * The name of a resource's Job. It comes from the uid alone, so that the API server itself refuses
 * a second one, however old the cache is that a decision was made on, and whatever of the resource
 * was edited meanwhile: `suspend` must not start another, and edited settings of the Job must not
 * either before the old one is gone.
 */
export function jobName({ metadata }: ImageDiff): string {
  return `imagediff-${digest(metadata.uid ?? "")}`;
}

/**
 * Tells the settings of a Job that cannot be changed in place: a Job with another value here has
 * to be replaced. Only what the user wrote counts: a controller with another engine image or other
 * defaults leaves the Jobs alone that it finds.
 */
export function settingsDigest({ spec }: ImageDiff): string {
  return digest(JSON.stringify(sorted(spec.job ?? {})));
}

/** The labels and annotations of a resource's Job and pod; ours win over the user's. */
export function jobMetadata(resource: ImageDiff): {
  labels: Record<string, string>;
  annotations: Record<string, string>;
} {
  const { labels = {}, annotations = {} } = resource.spec.job ?? {};
  const { name } = resource.metadata;
  const named = { [NAME_KEY]: name };
  const fits = name.length <= LABEL_MAX_LENGTH;
  return {
    labels: { ...labels, ...ENGINE_LABELS, ...(fits ? named : {}) },
    annotations: { ...annotations, ...(fits ? {} : named) },
  };
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** The same value whatever the order in which its fields were written. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(fields.map(([key, field]) => [key, sorted(field)]));
}
