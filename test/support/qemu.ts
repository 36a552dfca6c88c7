/** QEMU's own tools, the judges of every overlay. */
import { expect } from "vitest";
import { must, run } from "./command.ts";

/** Fails unless `qemu-img check` finds nothing wrong, leaks included. */
export async function expectClean(image: string, format = "qcow2"): Promise<void> {
  const ended = await run("qemu-img", ["check", "-f", format, image]);
  expect(ended, `qemu-img check of ${image}`).toMatchObject({ exitCode: 0 });
}

/** Fails unless QEMU reads the same from both images, byte for byte and in size. */
export async function expectIdentical(
  a: { path: string; format: string },
  b: { path: string; format: string },
): Promise<void> {
  // Its strict mode asks for more: what reads as zero must be so for the same reason in both.
  const args = ["compare", "-f", a.format, "-F", b.format, a.path, b.path];
  const ended = await run("qemu-img", args);
  expect(ended, `qemu-img ${args.join(" ")}`).toMatchObject({
    exitCode: 0,
    // Of different sizes it warns, and compares the rest with zeroes.
    stdout: "Images are identical.\n",
  });
}

/** A run of an image's bytes, as `qemu-img map` tells it. */
export interface MapEntry {
  readonly start: number;
  readonly length: number;
  /** How far down the backing chain it is held: 0 is the image itself. */
  readonly depth: number;
  /** Whether it reads as zero for sure. */
  readonly zero: boolean;
  /** Whether it is stored as data. */
  readonly data: boolean;
}

export async function mapOf(image: string, format: string): Promise<MapEntry[]> {
  return JSON.parse(
    await must("qemu-img", ["map", "--output=json", "-f", format, image]),
  ) as MapEntry[];
}

export interface ImageInfo {
  readonly format: string;
  readonly "virtual-size": number;
  readonly "backing-filename"?: string;
  readonly "full-backing-filename"?: string;
  readonly "backing-filename-format"?: string;
}

/** What QEMU tells of an image and all that it rests on, the image first. */
export async function chainInfo(image: string, format: string): Promise<ImageInfo[]> {
  return JSON.parse(
    await must("qemu-img", ["info", "--output=json", "--backing-chain", "-f", format, image]),
  ) as ImageInfo[];
}

/** The overlay that QEMU's own recipe makes: create and rebase. */
export async function rebaseOverlay(
  base: { path: string; format: string },
  modified: { path: string; format: string },
  output: string,
  options: { create?: string; compressed?: boolean } = {},
): Promise<void> {
  const create = options.create === undefined ? [] : ["-o", options.create];
  await must("qemu-img", [
    ...[
      "create",
      "-q",
      "-f",
      "qcow2",
      ...create,
      "-b",
      modified.path,
      "-F",
      modified.format,
      output,
    ],
  ]);
  const compress = options.compressed === true ? ["-c"] : [];
  await must("qemu-img", ["rebase", ...compress, "-F", base.format, "-b", base.path, output]);
}
