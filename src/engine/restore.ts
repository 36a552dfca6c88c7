/** From an overlay back to a full image. */
import { fstatSync, fsyncSync, ftruncateSync } from "node:fs";
import type { RestoreResult } from "../report/schema.ts";
import { requireSound, virtualSizeOf } from "./image/check.ts";
import { blockGraph } from "./image/graph.ts";
import { readAt } from "./image/format.ts";
import { blamingChanges, chainOf, filesOf, requireImageUnchanged } from "./image/image.ts";
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
  await blamingChanges([overlay], listener, async () => {
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
  });
  try {
    if (request.format === "raw") cutToExactSize(fd, overlay.exactSize ?? virtualSize, virtualSize);
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

/**
 * An image whose size is no multiple of 512 bytes is a disk of whole sectors to whoever uses the
 * overlay. What was written to the rest of the last one since is not cut off.
 */
function cutToExactSize(fd: number, exactSize: number, virtualSize: number): void {
  const rest = readAt(fd, exactSize, virtualSize - exactSize);
  if (rest.every((byte) => byte === 0)) ftruncateSync(fd, exactSize);
}
