/** Opens the two images of a run and makes them readable. */
import { Failure } from "../report/reasons.ts";
import { isSameFile } from "./image/file.ts";
import { closeImage, openImage, type Image } from "./image/image.ts";
import {
  chooseStrategy,
  closeReadable,
  prepareImage,
  sourceOf,
  type ReadableImage,
  type Strategy,
} from "./image/prepare.ts";
import type { Source } from "./image/reader.ts";
import type { Volume } from "./image/volumes.ts";
import type { DiffRequest, Listener } from "./request.ts";
import { quote } from "./text.ts";

export interface OpenInputs {
  readonly base: Image;
  readonly modified: Image;
}

/** @throws Failure SameImage and all that openImage throws. */
export function openInputs(
  request: DiffRequest,
  volumes: readonly Volume[],
  cleanup: DisposableStack,
): OpenInputs {
  const open = (role: string, image: DiffRequest["base"]): Image =>
    cleanup.adopt(openImage({ role, ...image, volumes, backing: "SameVolume" }), closeImage);
  const base = open("The base image", request.base);
  const modified = open("The modified image", request.modified);
  if (isSameFile(base.file.opened, modified.file.opened)) {
    throw new Failure(
      "SameImage",
      `${quote(base.file.path)} and ${quote(modified.file.path)} are the same image, so nothing ` +
        "can differ; give the base and a changed copy of it.",
    );
  }
  const declared = request.options.backingFormat;
  if (declared !== null && declared !== base.format) {
    throw new Failure(
      "InvalidUsage",
      `-o: backing_fmt is ${quote(declared)}, but the base is read as ${base.format}; they must agree.`,
    );
  }
  return { base, modified };
}

export interface ReadableInputs {
  readonly base: ReadableImage;
  readonly modified: ReadableImage;
  readonly strategy: Strategy;
  /** Bytes of the disk: the modified image's, which the overlay gets. */
  readonly virtualSize: number;
  readonly sources: { readonly base: Source; readonly modified: Source };
}

/** @throws Failure SizeMismatch and all that prepareImage throws. */
export async function prepareInputs(
  inputs: OpenInputs,
  request: DiffRequest,
  listener: Listener,
  cleanup: DisposableStack,
): Promise<ReadableInputs> {
  const prepare = async (image: Image): Promise<ReadableImage> =>
    cleanup.adopt(
      await prepareImage(image, { ...request.run, signal: listener.signal }),
      closeReadable,
    );
  const settled = await Promise.allSettled([prepare(inputs.base), prepare(inputs.modified)]);
  const [base, modified] = settled.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  }) as [ReadableImage, ReadableImage];

  if (base.virtualSize !== modified.virtualSize && !request.allowSizeDifference) {
    throw new Failure(
      "SizeMismatch",
      `The base ${quote(inputs.base.file.path)} is a disk of ${base.virtualSize} bytes, and ` +
        `${quote(inputs.modified.file.path)} one of ${modified.virtualSize} bytes. If that is meant ` +
        "(a grown or shrunk copy), allow it with --allow-size-difference.",
    );
  }
  const { virtualSize } = modified;
  const strategy = chooseStrategy(inputs.base, inputs.modified, request.trustHoles);
  return {
    base,
    modified,
    strategy,
    virtualSize,
    sources: {
      base: sourceOf(base, strategy, virtualSize),
      modified: sourceOf(modified, strategy, virtualSize),
    },
  };
}
