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

/** The smallest manifest's text with these fields set; `undefined` takes a field away. */
export function manifestWith(changes: Record<string, unknown>): string {
  const manifest = minimal();
  for (const [path, value] of Object.entries(changes)) set(manifest, path.split("."), value);
  return stringify(manifest);
}

function set(fields: Fields, [key = "", ...rest]: string[], value: unknown): void {
  if (rest.length > 0) {
    fields[key] ??= {};
    set(fields[key] as Fields, rest, value);
  } else if (value === undefined) delete fields[key];
  else fields[key] = value;
}
