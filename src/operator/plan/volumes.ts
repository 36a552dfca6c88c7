/** Claims and where they are mounted: from an image of the resource to a path, and back. */
import { outputPath, type ImageDiff } from "../../api/resource.ts";
import type { Observation } from "./observation.ts";

/** A claim as the engine sees it. */
export interface Volume {
  /** Absolute path: the folder of a Filesystem claim, the device of a Block claim. */
  path: string;
  /** Whether the claim is a Block claim, whose device is the image. */
  block: boolean;
}

/** Where each claim is mounted. */
export type Volumes = (claimName: string) => Volume;

/** The folder of the engine's container in which claim `x` is `x`. */
const VOLUMES_DIR = "/volumes";

/** Where the engine's pod has the claims. */
export function podVolumes({ claims }: Pick<Observation, "claims">): Volumes {
  return (claimName) => ({
    path: `${VOLUMES_DIR}/${claimName}`,
    block: claims.get(claimName)?.claim?.spec?.volumeMode === "Block",
  });
}

/** An image by claim: `path` is absent for a Block claim. */
export interface ImageLocation {
  claimName: string;
  path?: string;
}

/** The claims that a resource names, each once: base, modified, output. */
export function claimsOf({ spec }: ImageDiff): string[] {
  const { base, modified, output } = spec;
  const claims = [base.claimName, modified.claimName];
  if (spec.mode === "Diff" && output.claimName !== undefined) claims.push(output.claimName);
  return [...new Set(claims)];
}

/** The absolute path of an image: below its claim's folder, or its claim's device. */
export function imagePath({ claimName, path }: Required<ImageLocation>, volumes: Volumes): string {
  const volume = volumes(claimName);
  return volume.block ? volume.path : `${volume.path}/${path}`;
}

/**
 * The name under which the overlay finds its base: up from the overlay's folder to the folder
 * that holds the claims, and down into base's claim. It resolves wherever the claims are mounted
 * side by side under their own names.
 */
export function backingFileName(resource: ImageDiff, volumes: Volumes): string {
  const { base, output } = resource.spec;
  if (output.backingFile !== undefined) return output.backingFile;
  const folders = outputPath(resource).split("/").length;
  const image = volumes(base.claimName).block ? base.claimName : `${base.claimName}/${base.path}`;
  return `${"../".repeat(folders)}${image}`;
}

/** Which of the claims an absolute path is in, and where; undefined if in none. */
export function locate(
  absolutePath: string,
  claims: readonly string[],
  volumes: Volumes,
): ImageLocation | undefined {
  for (const claimName of claims) {
    const { path, block } = volumes(claimName);
    if (block && absolutePath === path) return { claimName };
    if (!block && absolutePath.startsWith(`${path}/`)) {
      return { claimName, path: absolutePath.slice(path.length + 1) };
    }
  }
  return undefined;
}
