/** From two images to an overlay, or to the exact size that it would have. */
import { fstatSync, fsync as fsyncCallback, ftruncateSync } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import type { OverlayResult } from "../report/schema.ts";
import { requireClean } from "./image/check.ts";
import { chainOf, filesOf, requireImageUnchanged, type Image } from "./image/image.ts";
import { allocatedBytesOf } from "./image/prepare.ts";
import { stalled } from "./image/server.ts";
import { openVolumes } from "./image/volumes.ts";
import { openInputs, prepareInputs, type ReadableInputs } from "./inputs.ts";
import { backingNameFor, requireBackingName } from "./overlay/backing-name.ts";
import type { BackingRecord } from "./overlay/header.ts";
import { OutputFile } from "./overlay/output-file.ts";
import { makeQed } from "./overlay/qed.ts";
import { OverlayWriter, type OverlayFigures } from "./overlay/writer.ts";
import { progress, type DiffRequest, type Listener } from "./request.ts";
import { write, writeFailure } from "./system/write.ts";
import { WorkerPool } from "./scan/pool.ts";
import { scan } from "./scan/scan.ts";
import { requireSameContent } from "./verify/verify.ts";

const fsync = promisify(fsyncCallback);

interface Compared {
  readonly figures: OverlayFigures;
  readonly bytesRead: number;
}

/**
 * Writes the overlay under its final name, complete and proved as asked for, or not at all.
 * @throws Failure with the reason.
 */
export async function diff(request: DiffRequest, listener: Listener): Promise<OverlayResult> {
  using cleanup = new DisposableStack();
  await using pool = new WorkerPool(request.run.workers);
  const started = performance.now();
  const volumes = openVolumes(request.run.volumes);
  const images = openInputs(request, volumes, cleanup);
  const recorded =
    request.backingFile === undefined ? undefined : requireBackingName(request.backingFile);
  const inputFiles = [...filesOf(images.base), ...filesOf(images.modified)];
  const output =
    request.output === null
      ? null
      : cleanup.adopt(new OutputFile({ ...request.output, volumes, inputs: inputFiles }), (file) =>
          file.close(),
        );
  const inputs = await prepareInputs(images, request, listener, cleanup);
  const backing: BackingRecord = {
    name:
      recorded ?? backingNameFor(request.base.path, dirname(output?.finalPath ?? process.cwd())),
    format: images.base.format,
  };

  const compared = await compare(request, inputs, backing, output, pool, listener);
  requireImageUnchanged(images.base);
  requireImageUnchanged(images.modified);
  const comparedAt = performance.now();
  if (output !== null) {
    await finish(request, inputs, backing, output, compared, pool, listener);
    requireImageUnchanged(images.base);
    requireImageUnchanged(images.modified);
    listener.signal.throwIfAborted();
    output.finish();
  }
  return report(request, inputs, backing, output, compared, {
    compareSeconds: seconds(started, comparedAt),
    verifySeconds: seconds(comparedAt, performance.now()),
  });
}

function seconds(from: number, to: number): number {
  return Math.round(to - from) / 1000;
}

/** Scans both images, and writes the overlay if there is one to write. */
async function compare(
  request: DiffRequest,
  inputs: ReadableInputs,
  backing: BackingRecord,
  output: OutputFile | null,
  pool: WorkerPool,
  listener: Listener,
): Promise<Compared> {
  const { options, run } = request;
  const { virtualSize, modified } = inputs;
  const { exactSize } = modified.image;
  // A qed overlay is made from a qcow2 one, with clusters that suit it.
  const written =
    options.format === "qcow2"
      ? options
      : { ...options, clusterSize: Math.min(options.clusterSize, 65536) };
  const fd = output?.fd ?? null;
  const writer = new OverlayWriter(
    {
      options: written,
      backing,
      virtualSize,
      exactSize: exactSize === virtualSize ? null : exactSize,
    },
    fd === null ? () => undefined : (bytes, offset) => write(fd, bytes, 0, bytes.length, offset),
  );
  const { bytesRead } = await scan(
    {
      kind: "compare",
      base: inputs.sources.base,
      modified: inputs.sources.modified,
      virtualSize,
      storing: {
        clusterSize: written.clusterSize,
        split: written.extendedL2,
        compression: written.compressed ? written.compressionType : null,
        fd,
      },
    },
    {
      pool,
      signal: listener.signal,
      onProgress: (done) => listener.onProgress(progress("Comparing", done, virtualSize)),
      onChanges: (spanStart, changes) => writer.add(spanStart, changes),
      onSilence: (silent) => {
        const served = [inputs.base, modified].find(({ server }) => server !== null);
        if (served !== undefined && silent > run.stallSeconds)
          throw stalled(served.image, run.stallSeconds);
      },
    },
  );
  const figures = writer.finish();
  listener.onProgress(progress("Comparing", virtualSize, virtualSize));
  return { figures, bytesRead };
}

/** Brings the written overlay onto storage and proves it, both at once. */
async function finish(
  request: DiffRequest,
  inputs: ReadableInputs,
  backing: BackingRecord,
  output: OutputFile,
  compared: Compared,
  pool: WorkerPool,
  listener: Listener,
): Promise<void> {
  try {
    ftruncateSync(output.fd, compared.figures.fileSize);
  } catch (error) {
    throw writeFailure(error);
  }
  if (request.options.format === "qed") {
    const { clusterSize } = request.options;
    const overlay = overlayImage("qcow2", output, inputs, backing);
    await makeQed(
      { overlay, backing, clusterSize, virtualSize: inputs.virtualSize, path: output.companion },
      listener,
    );
    output.adoptCompanion();
  }
  const synced = fsync(output.fd).catch((error: unknown) => {
    throw writeFailure(error);
  });
  const overlay = overlayImage(request.options.format, output, inputs, backing);
  const proofs: Array<Promise<void>> = [];
  if (request.verification !== "none") proofs.push(requireClean(overlay, listener));
  if (request.verification === "full") {
    const { virtualSize, sources } = inputs;
    proofs.push(
      requireSameContent({ overlay, ...sources, virtualSize }, request.run, pool, listener),
    );
  }
  const settled = await Promise.allSettled([synced, ...proofs]);
  for (const result of settled) if (result.status === "rejected") throw result.reason;
}

/** The overlay as it will be read, though its name is still a temporary one. */
function overlayImage(
  format: "qcow2" | "qed",
  output: OutputFile,
  inputs: ReadableInputs,
  backing: BackingRecord,
): Image {
  const opened = fstatSync(output.fd, { bigint: true });
  return {
    file: {
      path: output.finalPath,
      fd: output.fd,
      isBlockDevice: false,
      length: Number(opened.size),
      allocatedBytes: Number(opened.blocks) * 512,
      opened,
    },
    format,
    backingName: backing.name,
    backing: inputs.base.image,
    exactSize: null,
  };
}

function report(
  request: DiffRequest,
  inputs: ReadableInputs,
  backing: BackingRecord,
  output: OutputFile | null,
  { figures, bytesRead }: Compared,
  times: { compareSeconds: number; verifySeconds: number },
): OverlayResult {
  const { format } = request.options;
  const stats = output === null ? null : fstatSync(output.fd);
  const fileSizeBytes = stats?.size ?? figures.fileSize;
  const allocatedBytes = stats === null ? figures.fileSize : stats.blocks * 512;
  const modifiedAllocatedBytes = allocatedBytesOf(inputs.modified.image);
  const savedBytes = modifiedAllocatedBytes - allocatedBytes;
  const share = modifiedAllocatedBytes === 0 ? 0 : savedBytes / modifiedAllocatedBytes;
  const { virtualSize } = inputs;
  const { dataBytes, zeroBytes } = figures;
  const path = output?.finalPath ?? null;
  return {
    type: "result",
    mode: output === null ? "Estimate" : "Diff",
    output: { path, format, virtualSizeBytes: virtualSize, fileSizeBytes, allocatedBytes },
    savings: {
      modifiedAllocatedBytes,
      overlayAllocatedBytes: allocatedBytes,
      savedBytes,
      percent: Math.round(share * 10000) / 100,
    },
    changes: { dataBytes, zeroBytes, identicalBytes: virtualSize - dataBytes - zeroBytes },
    backingChain: [
      ...(path === null ? [] : [{ path, format, backingFile: backing.name }]),
      ...chainOf(inputs.base.image),
    ],
    readStrategy: inputs.strategy.name,
    readStrategyReason: inputs.strategy.reason,
    verification: output === null ? "none" : request.verification,
    // getrusage(2) counts in KiB.
    work: { bytesRead, ...times, peakMemoryBytes: process.resourceUsage().maxRSS * 1024 },
  };
}
