/** Two images that are one. */
import type { Observation } from "./observation.ts";
import type { Cause } from "./states.ts";

/** Of a Block claim the device is the image, whatever the paths are. */
export function sameImage({ resource, claims }: Observation): Cause | undefined {
  const { base, modified } = resource.spec;
  if (base.claimName !== modified.claimName) return undefined;
  if (claims.get(base.claimName)?.claim?.spec?.volumeMode !== "Block") return undefined;
  return {
    reason: "SameImage",
    message: `spec.modified: the Block claim ${base.claimName} is one device, and spec.base names it too: an image does not differ from itself. Name the claim of the right image.`,
  };
}
