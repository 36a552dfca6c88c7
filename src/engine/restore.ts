/** From an overlay back to a full image. */
import { fstatSync, fsyncSync, ftruncateSync } from "node:fs";
import type { RestoreResult } from "../report/schema.ts";
import { requireSound, virtualSizeOf } from "./image/check.ts";
import { blockGraph } from "./image/graph.ts";
import { chainOf, filesOf, requireImageUnchanged } from "./image/image.ts";
import { openVolumes } from "./image/volumes.ts";
import { openOverlay } from "./overlay-file.ts";
import { convert, inheritedName } from "./overlay/convert.ts";
import { OutputFile, type ExistingOutput } from "./overlay/output-file.ts";
import type { Listener } from "./request.ts";
import { writeFailure } from "./system/write.ts";

export interface RestoreRequest {
  readonly overlay: string;
  readonly output: { readonly path: string; readonly existing: ExistingOutput };
  readonly format: "raw" | "qcow2";
  /** Folders that every file must lie in; empty for no bound. */
  readonly volumes: readonly string[];
}

/** Writes the full image, sparse, under its final name, complete or not at all. */
export async function restore(request: RestoreRequest, listener: Listener): Promise<RestoreResult> {
  using cleanup = new DisposableStack();
  const volumes = openVolumes(request.volumes);
  const overlay = openOverlay(request.overlay, volumes, cleanup);
  const output = cleanup.adopt(
    new OutputFile({ ...request.output, volumes, inputs: filesOf(overlay) }),
    (file) => file.close(),
  );
  const { signal } = listener;
  const [virtualSize] = await Promise.all([
    virtualSizeOf(overlay, { signal }),
    requireSound(overlay, { signal }),
  ]);

  const source = blockGraph(overlay);
  const target = inheritedName(source.fds.length);
  const { fd } = output;
  await convert(
    {
      phase: "Restoring",
      virtualSize,
      fds: [...source.fds, fd],
      arguments: ["-O", request.format, source.name, target],
    },
    listener,
  );
  requireImageUnchanged(overlay);
  try {
    if (request.format === "raw" && overlay.exactSize !== null)
      ftruncateSync(fd, overlay.exactSize);
    fsyncSync(fd);
  } catch (error) {
    throw writeFailure(error);
  }
  const { size, blocks } = fstatSync(fd);
  listener.signal.throwIfAborted();
  output.finish();
  return {
    type: "restored",
    output: {
      path: output.finalPath,
      format: request.format,
      virtualSizeBytes: virtualSize,
      fileSizeBytes: size,
      allocatedBytes: blocks * 512,
    },
    backingChain: chainOf(overlay),
  };
}
