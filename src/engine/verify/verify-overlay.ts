/** Proves that an overlay that was made before is still the modified image. */
import { Failure } from "../../report/reasons.ts";
import type { VerifyResult } from "../../report/schema.ts";
import { requireClean } from "../image/check.ts";
import {
  blamingChanges,
  chainOf,
  closeImage,
  openImage,
  requireImageUnchanged,
} from "../image/image.ts";
import { closeReadable, prepareImage, sourceOf, type Strategy } from "../image/prepare.ts";
import type { Source } from "../image/reader.ts";
import { openVolumes } from "../image/volumes.ts";
import { openOverlay } from "../overlay-file.ts";
import { WorkerPool } from "../scan/pool.ts";
import { controlled, type ImageRequest, type Listener, type RunOptions } from "../request.ts";
import { quote } from "../text.ts";
import { requireSameContent } from "./verify.ts";
import { virtualSizeOf } from "../image/check.ts";

export interface VerifyRequest {
  readonly overlay: string;
  readonly modified: ImageRequest;
  readonly trustHoles: boolean;
  readonly run: RunOptions;
}

/** What an overlay without a backing file rests on. */
const NOTHING: Source = { kind: "raw", fd: -1, name: "", length: 0, sparse: true, shared: false };

/** @throws Failure VerificationFailed where the two differ, in size or in any byte. */
export async function verifyOverlay(
  request: VerifyRequest,
  listener: Listener,
): Promise<VerifyResult> {
  using cleanup = new DisposableStack();
  await using pool = new WorkerPool(request.run.workers);
  const { run } = request;
  const control = controlled(listener);
  const { signal } = control;
  const volumes = openVolumes(run.volumes);
  const overlay = openOverlay(request.overlay, volumes, cleanup);
  const image = cleanup.adopt(
    openImage({ role: "The modified image", ...request.modified, volumes, backing: "SameVolume" }),
    closeImage,
  );
  await requireClean(overlay, { ...run, signal });
  const modified = cleanup.adopt(await prepareImage(image, { ...run, signal }), closeReadable);
  const virtualSize = await virtualSizeOf(overlay, { ...run, signal });
  if (virtualSize !== modified.virtualSize) {
    throw new Failure(
      "VerificationFailed",
      `The overlay ${quote(request.overlay)} is a disk of ${virtualSize} bytes, and ` +
        `${quote(image.file.path)} one of ${modified.virtualSize} bytes.`,
    );
  }
  const strategy: Strategy = {
    name: request.trustHoles ? "SparseScan" : "FullScan",
    reason: "",
  };
  let base = NOTHING;
  if (overlay.backing !== null) {
    const readable = cleanup.adopt(
      await prepareImage(overlay.backing, { ...run, signal }),
      closeReadable,
    );
    base = sourceOf(readable, strategy, virtualSize);
  }
  const comparison = {
    overlay,
    base,
    modified: sourceOf(modified, strategy, virtualSize),
    virtualSize,
  };
  await blamingChanges([overlay, image], listener, async () => {
    await requireSameContent(comparison, run, pool, control);
    requireImageUnchanged(overlay);
    requireImageUnchanged(image);
  });
  return { type: "verified", virtualSizeBytes: virtualSize, backingChain: chainOf(overlay) };
}
