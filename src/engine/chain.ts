/** Which images an overlay rests on. */
import type { ChainResult } from "../report/schema.ts";
import { chainOf } from "./image/image.ts";
import { openVolumes } from "./image/volumes.ts";
import { openOverlay } from "./overlay-file.ts";

/** @throws Failure where any image of the chain is missing, damaged or refused. */
export function chain(path: string, volumes: readonly string[]): ChainResult {
  using cleanup = new DisposableStack();
  const overlay = openOverlay(path, openVolumes(volumes), cleanup);
  return { type: "chain", backingChain: chainOf(overlay) };
}
