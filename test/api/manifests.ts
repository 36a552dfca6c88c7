/** Manifests for tests. */
import { stringify } from "yaml";

export type Fields = Record<string, unknown>;

/** The smallest manifest, as fields. */
export function minimal(): { apiVersion: string; kind: string; metadata: Fields; spec: Fields } {
  return {
    apiVersion: "imagediff.io/v1alpha1",
    kind: "ImageDiff",
    metadata: { name: "web-01" },
    spec: {
      base: { claimName: "golden" },
      modified: { claimName: "web-01-root" },
      output: { claimName: "thin-images" },
    },
  };
}

/** The smallest manifest with these fields set, by path; `undefined` takes a field away. */
export function fieldsWith(changes: Record<string, unknown>): Fields {
  const manifest = minimal();
  for (const [path, value] of Object.entries(changes)) set(manifest, path.split("."), value);
  return manifest;
}

/** The text of {@link fieldsWith}. */
export function manifestWith(changes: Record<string, unknown>): string {
  return stringify(fieldsWith(changes));
}

function set(fields: Fields, [key = "", ...rest]: string[], value: unknown): void {
  if (rest.length > 0) {
    const inner = fields[key];
    const isMap = typeof inner === "object" && inner !== null && !Array.isArray(inner);
    const next = isMap ? (inner as Fields) : {};
    fields[key] = next;
    set(next, rest, value);
  } else if (value === undefined) delete fields[key];
  else fields[key] = value;
}
