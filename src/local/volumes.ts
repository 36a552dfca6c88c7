/** Claims without a cluster: claim `x` is what lies at `DIR/x`. */
import { realpathSync, statSync, type Stats } from "node:fs";
import { join } from "node:path";
import { Failure } from "../report/reasons.ts";
import type { Volumes } from "../operator/plan/volumes.ts";

/**
 * Where each of the claims is: a folder counts as a Filesystem claim, anything else as a Block
 * claim.
 * @throws Failure ImageNotFound if the folder or a claim in it does not exist.
 */
export function localVolumes(folder: string, claims: readonly string[]): Volumes {
  const root = resolveFolder(folder);
  const found = new Map(claims.map((claim) => [claim, volumeAt(join(root, claim), claim, root)]));
  return (claim) => found.get(claim) ?? volumeAt(join(root, claim), claim, root);
}

function resolveFolder(folder: string): string {
  try {
    return realpathSync(folder);
  } catch (error) {
    throw new Failure(
      "ImageNotFound",
      `the folder of the claims, ${folder}, cannot be read (${codeOf(error)}): make it, with one folder for each claim`,
      { cause: error },
    );
  }
}

function volumeAt(path: string, claim: string, root: string): { path: string; block: boolean } {
  return { path, block: !statClaim(path, claim, root).isDirectory() };
}

function statClaim(path: string, claim: string, root: string): Stats {
  try {
    return statSync(path);
  } catch (error) {
    throw new Failure(
      "ImageNotFound",
      `claim ${claim} is not in ${root} (${codeOf(error)} for ${path}): put it there, or name another folder with --volumes`,
      { cause: error },
    );
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
