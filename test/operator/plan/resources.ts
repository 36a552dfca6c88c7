/** Resources and volumes for tests of the plan. */
import { parseManifest } from "../../../src/api/manifest.ts";
import type { ImageDiff } from "../../../src/api/resource.ts";
import type { Volumes } from "../../../src/operator/plan/volumes.ts";
import { manifestWith } from "../../api/manifests.ts";

export function resourceWith(changes: Record<string, unknown> = {}): ImageDiff {
  return parseManifest(manifestWith(changes));
}

/** Claims at /volumes, those named being Block claims. */
export function volumesWith(...blockClaims: string[]): Volumes {
  return (claim) => ({ path: `/volumes/${claim}`, block: blockClaims.includes(claim) });
}
