/** Proves that an overlay over its base is the modified image. */
import type { Image } from "../image/image.ts";
import type { Source } from "../image/reader.ts";
import { serveImage, stalled } from "../image/server.ts";
import { progress, type RunControl, type RunOptions } from "../request.ts";
import type { WorkerPool } from "../scan/pool.ts";
import { scan } from "../scan/scan.ts";

export interface Comparison {
  /** With its backing chain. */
  readonly overlay: Image;
  readonly base: Source;
  readonly modified: Source;
  /** Bytes of the disk. */
  readonly virtualSize: number;
}

/** @throws Failure VerificationFailed where the two differ in any byte. */
export async function requireSameContent(
  comparison: Comparison,
  run: RunOptions,
  pool: WorkerPool,
  control: RunControl,
): Promise<void> {
  const { overlay, base, modified, virtualSize } = comparison;
  const { signal } = control;
  const server = await serveImage(overlay, { ...run, connections: run.workers, signal });
  try {
    const own: Source = {
      kind: "nbd",
      socket: server.socket,
      name: overlay.file.path,
      length: virtualSize,
      sparse: true,
      extents: "own",
    };
    await scan(
      {
        kind: "verify",
        base: unshared(base),
        modified: unshared(modified),
        overlay: own,
        virtualSize,
      },
      {
        pool,
        control,
        onProgress: (done) => control.onProgress(progress("Verifying", done, virtualSize)),
        onChanges: () => new Float64Array(),
        onSilence: (seconds) => {
          if (seconds > run.stallSeconds) throw stalled(overlay, run.stallSeconds);
        },
      },
    );
    control.onProgress(progress("Verifying", virtualSize, virtualSize));
  } finally {
    server.close();
  }
}

/** Extents that the images share on storage are not taken on trust twice. */
function unshared(source: Source): Source {
  return source.kind === "raw" ? { ...source, shared: false } : source;
}
