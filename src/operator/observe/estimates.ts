/** What a finished Estimate says about the overlay that a resource asks for. */
import { isDeepStrictEqual } from "node:util";
import type { ImageDiff } from "../../api/resource.ts";
import type { Observation } from "../plan/observation.ts";
import type { StoredImageDiff } from "../resources.ts";
import type { Caches } from "./caches.ts";
import { claimKey } from "./indexes.ts";

/** The newest finished Estimate of the same images and the same kind of overlay, if there is one. */
export function finishedEstimate(
  { imageDiffs }: Caches,
  { metadata, spec }: ImageDiff,
): Observation["estimate"] {
  if (spec.mode === "Estimate") return undefined;
  const wanted = subject(spec);
  const found = imageDiffs
    .by("claim", claimKey(metadata.namespace, spec.modified.claimName))
    .filter(
      (other) =>
        other.spec?.mode === "Estimate" &&
        other.status?.phase === "Succeeded" &&
        isDeepStrictEqual(subject(other.spec), wanted),
    )
    .toSorted((a, b) => (finished(a) < finished(b) ? -1 : 1))
    .at(-1);
  const bytes = found?.status?.output?.fileSizeBytes;
  if (bytes === undefined) return undefined;
  return { imageDiff: found?.metadata?.name ?? "", bytes };
}

/** When it finished, so that it can be compared; and which of two that did so at once is it. */
function finished({ status, metadata }: StoredImageDiff): string {
  return `${status?.completionTime} ${metadata?.name}`;
}

/** What the size of an overlay depends on. */
function subject({ base, modified, output, allowSizeDifference }: StoredImageDiff["spec"] & {}) {
  const { format, compression, clusterSize } = output ?? {};
  return { base, modified, format, compression, clusterSize, allowSizeDifference };
}
