/** From two images to an overlay, or to the exact size that it would have. */
import { closeSync, fstatSync, fsync as fsyncCallback, ftruncateSync } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { Failure } from "../report/reasons.ts";
import type { OverlayResult } from "../report/schema.ts";
import { requireClean } from "./image/check.ts";
import { blamingChanges, filesOf, requireImageUnchanged, type Image } from "./image/image.ts";
import { stalled } from "./image/server.ts";
import { openVolumes } from "./image/volumes.ts";
import { openInputs, prepareInputs, type OpenInputs, type ReadableInputs } from "./inputs.ts";
import { backingNameFor, requireBackingName, requireFindsBase } from "./overlay/backing-name.ts";
import type { BackingRecord } from "./overlay/header.ts";
import type { OverlayOptions } from "./overlay/options.ts";
import { OutputFile } from "./overlay/output-file.ts";
import { makeQed } from "./overlay/qed.ts";
import { OverlayWriter, type OverlayFigures } from "./overlay/writer.ts";
import {
  controlled,
  progress,
  type DiffRequest,
  type Listener,
  type RunControl,
} from "./request.ts";
import { overlayResult } from "./result.ts";
import { WorkerPool } from "./scan/pool.ts";
import { scan } from "./scan/scan.ts";
import { write, writeFailure } from "./system/write.ts";
import { requireSameContent } from "./verify/verify.ts";

const fsync = promisify(fsyncCallback);

/** What one run has at hand. */
interface Run {
  readonly request: DiffRequest;
  readonly inputs: ReadableInputs;
  readonly backing: BackingRecord;
  readonly pool: WorkerPool;
  readonly control: RunControl;
}

/**
 * Writes the overlay under its final name, complete and proved as asked for, or not at all.
 * @throws Failure with the reason.
 */
export async function diff(request: DiffRequest, listener: Listener): Promise<OverlayResult> {
  using cleanup = new DisposableStack();
  const control = controlled(listener);
  const started = performance.now();
  const volumes = openVolumes(request.run.volumes);
  const images = openInputs(request, volumes, cleanup);
  const files = [...filesOf(images.base), ...filesOf(images.modified)];
  const output =
    request.output === null
      ? null
      : cleanup.adopt(new OutputFile({ ...request.output, volumes, inputs: files }), (file) =>
          file.close(),
        );
  const backing = { name: recordedName(request, output), format: images.base.format };
  const requireNamed = (): void => {
    // A name that the user gives may be one for another place or time.
    const isFree = request.backingFile !== undefined && !request.requireBacking;
    if (output !== null && !isFree) requireFindsBase(backing.name, output, images.base.file);
  };
  await using pool = new WorkerPool(request.run.workers);
  const inputs = await prepareInputs(images, request, control, cleanup);
  const run: Run = { request, inputs, backing, pool, control };

  return await blamingChanges([images.base, images.modified], listener, async () => {
    requireNamed();
    const compared = await (output === null ? compare(run, null) : makeOverlay(run, output));
    requireUnchanged(images);
    const comparedAt = performance.now();
    if (output !== null) {
      await prove(run, output);
      requireUnchanged(images);
      requireNamed();
      listener.signal.throwIfAborted();
      output.finish();
    }
    return overlayResult(request, inputs, backing, output, {
      ...compared,
      compareSeconds: seconds(started, comparedAt),
      verifySeconds: seconds(comparedAt, performance.now()),
    });
  });
}

function seconds(from: number, to: number): number {
  return Math.round(to - from) / 1000;
}

function recordedName(request: DiffRequest, output: OutputFile | null): string {
  if (request.backingFile !== undefined) return requireBackingName(request.backingFile);
  const folder = output === null ? process.cwd() : dirname(output.finalPath);
  return backingNameFor(request.base.path, folder);
}

function requireUnchanged(images: OpenInputs): void {
  requireImageUnchanged(images.base);
  requireImageUnchanged(images.modified);
}

type Compared = OverlayFigures & { readonly bytesRead: number };

/** Writes the overlay's every byte, and brings it to its length. */
async function makeOverlay(run: Run, output: OutputFile): Promise<Compared> {
  if (run.request.options.format === "qcow2") return compareInto(run, output.fd);
  const fd = output.scratch();
  try {
    const compared = await compareInto(run, fd);
    const { inputs, backing } = run;
    const { clusterSize } = run.request.options;
    const { virtualSize } = inputs;
    const base = inputs.base.image;
    const overlay = overlayImage(run, "qcow2", fd, output.finalPath);
    await makeQed({ overlay, base, backing, clusterSize, virtualSize, fd: output.fd }, run.control);
    return compared;
  } finally {
    closeSync(fd);
  }
}

async function compareInto(run: Run, fd: number): Promise<Compared> {
  const compared = await compare(run, fd);
  try {
    ftruncateSync(fd, compared.fileSize);
  } catch (error) {
    throw writeFailure(error);
  }
  return compared;
}

/** Scans both images, and writes a qcow2 overlay if there is a file for it. */
async function compare(run: Run, fd: number | null): Promise<Compared> {
  const { request, inputs, backing, pool, control } = run;
  const { virtualSize, modified, sources } = inputs;
  const options = scannedOptions(request.options);
  const recorded = modified.image.exactSize;
  const exactSize = recorded === virtualSize ? null : recorded;
  const writer = new OverlayWriter(
    { options, backing, virtualSize, exactSize },
    (bytes, offset) => {
      if (fd !== null) write(fd, bytes, 0, bytes.length, offset);
    },
  );
  const storing = {
    clusterSize: options.clusterSize,
    split: options.extendedL2,
    compression: options.compressed ? options.compressionType : null,
    fd,
  };
  const { stallSeconds } = request.run;
  const { bytesRead } = await scan(
    { kind: "compare", ...sources, virtualSize, storing },
    {
      pool,
      control,
      onProgress: (done) => control.onProgress(progress("Comparing", done, virtualSize)),
      onChanges: (spanStart, changes) => writer.add(spanStart, changes),
      onSilence: (silent) => {
        const served = [inputs.base, modified].find(({ server }) => server !== null);
        if (served !== undefined && silent > stallSeconds)
          throw stalled(served.image, stallSeconds);
      },
    },
  );
  const figures = writer.finish();
  control.onProgress(progress("Comparing", virtualSize, virtualSize));
  return { ...figures, bytesRead };
}

/** A qed overlay is made from a qcow2 one, whose clusters have a size of their own. */
function scannedOptions(options: OverlayOptions): OverlayOptions {
  return options.format === "qcow2"
    ? options
    : { ...options, clusterSize: Math.min(options.clusterSize, 65536) };
}

/** Brings the written overlay onto storage and proves it, both at once. */
async function prove(
  { request, inputs, backing, pool, control }: Run,
  output: OutputFile,
): Promise<void> {
  const { virtualSize, sources } = inputs;
  const { options, verification, run } = request;
  const overlay = overlayImage({ inputs, backing }, options.format, output.fd, output.finalPath);
  const settled = await Promise.allSettled([
    fsync(output.fd).catch((error: unknown) => {
      throw writeFailure(error);
    }),
    verification === "none" ? null : requireClean(overlay, control),
    verification === "full"
      ? requireSameContent({ overlay, ...sources, virtualSize }, run, pool, control)
      : null,
  ]);
  const errors = settled
    .filter((result) => result.status === "rejected")
    .map(({ reason }) => reason as Error);
  // What fails ends the others: theirs is no reason.
  const failure = errors.find((error) => error instanceof Failure) ?? errors[0];
  if (failure !== undefined) throw failure;
}

/** An overlay as it is read, though it has no final name yet. */
function overlayImage(
  { inputs, backing }: Pick<Run, "inputs" | "backing">,
  format: "qcow2" | "qed",
  fd: number,
  path: string,
): Image {
  const opened = fstatSync(fd, { bigint: true });
  return {
    file: {
      path,
      fd,
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
