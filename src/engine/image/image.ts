/**
 * An image: its file, its format and its backing chain, each opened once, read-only, and
 * checked before any program parses it. Later readers get the open files, never the names.
 */
import { closeSync } from "node:fs";
import { dirname } from "node:path";
import { Failure } from "../../report/reasons.ts";
import type { ChainLink } from "../../report/schema.ts";
import { quote } from "../text.ts";
import { isSameFile, openImageFile, requireUnchanged, type ImageFile } from "./file.ts";
import { detectFormat, formats, isFormat, type Format } from "./format.ts";
import {
  readQedBacking,
  requireLoneVmdk,
  requireLoneVpc,
  requireWholeParallels,
} from "./headers/other.ts";
import { readQcow2Header, type BackingReference } from "./headers/qcow2.ts";
import { folderOf, realPathOf, requireInside, volumeOf, type Volume } from "./volumes.ts";

export interface Image {
  readonly file: ImageFile;
  readonly format: Format;
  /** The backing file's name as recorded; null where there is none. */
  readonly backingName: string | null;
  readonly backing: Image | null;
  /** Exact size in bytes where the format records it apart from the virtual size. */
  readonly exactSize: number | null;
}

/** Which files an image's backing chain may lead to. */
export type BackingPolicy =
  /** Those in the volume of the image itself: for images that came from somewhere else. */
  | "SameVolume"
  /** Those in any of the run's volumes, anywhere if it has none: for overlays of our own. */
  | "AnyVolume";

export interface OpenRequest {
  /** What the image is to the user, to begin a message with: "The base image". */
  readonly role: string;
  readonly path: string;
  /** What the user declared; undefined to tell it from the first bytes. */
  readonly format: Format | undefined;
  /** Empty where the user named none. */
  readonly volumes: readonly Volume[];
  readonly backing: BackingPolicy;
}

const MAX_CHAIN = 64;

/**
 * @throws Failure for every image that is missing, damaged, encrypted, or leads to a file that
 * it has no business with.
 */
export function openImage(request: OpenRequest): Image {
  const file = openImageFile(request.path, request.role);
  try {
    const own = ownVolume(file, request);
    const allowed = request.backing === "SameVolume" ? [own] : request.volumes;
    if (request.format !== undefined) return link(file, request.format, request.role, allowed, []);
    return detected(file, request.role);
  } catch (error) {
    closeSync(file.fd);
    throw error;
  }
}

function ownVolume(file: ImageFile, request: OpenRequest): Volume {
  if (request.volumes.length === 0) return folderOf(realPathOf(file.fd));
  const volume = volumeOf(request.path, request.volumes);
  requireInside(file.fd, request.path, [volume]);
  if (file.isBlockDevice && realPathOf(file.fd) !== volume.realPath) {
    throw new Failure(
      "ImageRefused",
      `${request.role} ${quote(file.path)} is a block device inside of a volume of files; ` +
        "only a volume that is a block device itself is read as one.",
    );
  }
  return volume;
}

/**
 * A guest may have written the bytes that detection goes by (CVE-2015-1851 and its kin), so an
 * image whose format was not declared may lead to no other file.
 */
function detected(file: ImageFile, role: string): Image {
  const format = detectFormat(file.fd);
  const { backing, exactSize } = readHeader(file, format, role);
  if (backing === null) return { file, format, backingName: null, backing: null, exactSize };
  throw new Failure(
    "ImageRefused",
    `${role} ${quote(file.path)} looks like ${format} and names the backing file ` +
      `${quote(backing.name)}. As a guest could have written that into a raw disk, say ` +
      `which it is: -f (or -F for the base) with raw to read its bytes as they are, or with ` +
      `${format} to follow its backing file.`,
  );
}

function link(
  file: ImageFile,
  format: Format,
  role: string,
  allowed: readonly Volume[],
  above: readonly ImageFile[],
): Image {
  const { backing: reference, exactSize } = readHeader(file, format, role);
  if (reference === null) return { file, format, backingName: null, backing: null, exactSize };
  const chain = [...above, file];
  const backing = openBacking(file, reference, allowed, chain);
  return { file, format, backingName: reference.name, backing, exactSize };
}

function readHeader(
  file: ImageFile,
  format: Format,
  role: string,
): { backing: BackingReference | null; exactSize: number | null } {
  switch (format) {
    case "qcow2":
      return readQcow2Header(file, role);
    case "qed":
      return { backing: readQedBacking(file, role), exactSize: null };
    case "vmdk":
      requireLoneVmdk(file, role);
      break;
    case "vpc":
      requireLoneVpc(file, role);
      break;
    case "raw":
      return { backing: null, exactSize: file.isBlockDevice ? null : file.length };
    case "parallels":
      requireWholeParallels(file, role);
      break;
    case "vdi":
    case "vhdx":
      break;
  }
  return { backing: null, exactSize: null };
}

function openBacking(
  overlay: ImageFile,
  reference: BackingReference,
  allowed: readonly Volume[],
  chain: readonly ImageFile[],
): Image {
  const refuse = (why: string): Failure =>
    new Failure(
      "BackingFileRefused",
      `${quote(overlay.path)} names the backing file ${quote(reference.name)}, ${why}.`,
    );
  if (chain.length >= MAX_CHAIN) throw refuse(`which makes a chain of over ${MAX_CHAIN} images`);
  if (hasProtocol(reference.name)) throw refuse("which is not a file's name and is never followed");
  if (reference.name.includes("\0")) throw refuse("which is no file's name");
  // As QEMU does, and not shortened: what is before a .. may be a symbolic link.
  const path = `${dirname(overlay.path)}/${reference.name}`;
  const file = openImageFile(
    reference.name.startsWith("/") ? reference.name : path,
    "The backing file",
  );
  try {
    if (chain.some((image) => isSameFile(image.opened, file.opened))) {
      throw refuse("which leads back to the image itself: the backing chain is a loop");
    }
    if (allowed.length > 0) requireInside(file.fd, reference.name, allowed);
    if (file.isBlockDevice && !mayBeDevice(file, allowed)) {
      throw refuse("which is a block device; one is followed only if --volume names it");
    }
    const format =
      reference.format === "detect"
        ? detectFormat(file.fd)
        : backingFormat(reference.format, overlay, refuse);
    const image = link(file, format, "The backing file", allowed, chain);
    if (reference.format === "detect" && image.backing !== null) {
      closeImage(image.backing);
      throw refuse("but not its format, and that file names another: what it is cannot be guessed");
    }
    return image;
  } catch (error) {
    closeSync(file.fd);
    if (error instanceof Failure && error.reason === "PathOutsideVolume") {
      throw refuse(`which lies outside of its volume. ${error.message}`);
    }
    throw error;
  }
}

/** Whoever may name files in a folder may not thereby name the host's disks. */
function mayBeDevice(file: ImageFile, allowed: readonly Volume[]): boolean {
  const real = realPathOf(file.fd);
  return allowed.length === 0 || allowed.some((volume) => volume.realPath === real);
}

function backingFormat(
  recorded: string | null,
  overlay: ImageFile,
  refuse: (why: string) => Failure,
): Format {
  if (recorded === null) {
    throw refuse(
      "but not its format, which is never guessed. Record it with " +
        `'qemu-img rebase -u -b BACKING_FILE -F FORMAT ${quote(overlay.path)}'`,
    );
  }
  // The name of the driver for block devices, which older tools recorded as a format.
  const format = recorded === "host_device" ? "raw" : recorded;
  if (!isFormat(format)) {
    throw refuse(`in the format ${quote(format)}, which is none of ${formats.join(", ")}`);
  }
  return format;
}

/** Whether QEMU would take the name for a protocol's (path_has_protocol in QEMU's block.c). */
export function hasProtocol(name: string): boolean {
  return /^[^/]*:/s.test(name);
}

/** The image's files, the overlay first. */
export function filesOf(image: Image): ImageFile[] {
  return [image.file, ...(image.backing === null ? [] : filesOf(image.backing))];
}

export function chainOf(image: Image): ChainLink[] {
  const { file, format, backingName, backing } = image;
  const own = { path: realPathOf(file.fd), format, backingFile: backingName };
  return [own, ...(backing === null ? [] : chainOf(backing))];
}

/** @throws Failure SourceChanged */
export function requireImageUnchanged(image: Image): void {
  filesOf(image).forEach(requireUnchanged);
}

/** Whatever fails while an image changes fails because it does. */
export async function blamingChanges<Result>(
  images: readonly Image[],
  { signal }: { readonly signal: AbortSignal },
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof Failure) || error.reason !== "NoSpace") {
      images.forEach(requireImageUnchanged);
    }
    throw error;
  }
}

export function closeImage(image: Image): void {
  for (const file of filesOf(image)) closeSync(file.fd);
}
