/** One file or block device of an image, opened read-only and watched for changes. */
import { closeSync, constants, fstatSync, openSync, statSync, type BigIntStats } from "node:fs";
import { Failure } from "../../report/reasons.ts";
import { blockDeviceSize } from "../system/libc.ts";
import { errorCode, messageOf, quote } from "../text.ts";

export interface ImageFile {
  /** The name by which it was opened. */
  readonly path: string;
  readonly fd: number;
  readonly isBlockDevice: boolean;
  /** Length in bytes. */
  readonly length: number;
  /** Bytes of storage that it takes; a block device takes all of its length. */
  readonly allocatedBytes: number;
  /** Its state when it was opened, to compare with when the run ends. */
  readonly opened: BigIntStats;
}

/**
 * @param role what the file is to the user, to begin a message with ("The base image").
 * @throws Failure ImageNotFound, ImageUnreadable or ImageInvalid.
 */
export function openImageFile(path: string, role: string): ImageFile {
  const fd = openReadOnly(path, role);
  try {
    const opened = fstatSync(fd, { bigint: true });
    const isBlockDevice = opened.isBlockDevice();
    if (!isBlockDevice && !opened.isFile()) {
      throw new Failure(
        "ImageInvalid",
        `${role} ${quote(path)} is ${kindOf(opened)}; give a regular file or a block device.`,
      );
    }
    const length = isBlockDevice ? blockDeviceSize(fd) : Number(opened.size);
    const allocatedBytes = isBlockDevice ? length : Number(opened.blocks) * 512;
    return { path, fd, isBlockDevice, length, allocatedBytes, opened };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function openReadOnly(path: string, role: string): number {
  try {
    // O_NONBLOCK: a named pipe in an image's place must not make the run wait for ever.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const name = `${role} ${quote(path)}`;
    switch (errorCode(error)) {
      case "ENOENT":
      case "ENOTDIR":
      case "ENAMETOOLONG":
        throw new Failure("ImageNotFound", `${name} does not exist.`, { cause: error });
      case "EACCES":
      case "EPERM":
        throw new Failure(
          "ImageUnreadable",
          `${name} may not be read by user ${process.getuid?.()}, group ${process.getgid?.()}; ` +
            "change its permissions or run as its owner.",
          { cause: error },
        );
      case "ELOOP":
        throw new Failure("ImageNotFound", `${name} is a symbolic link that leads in a circle.`, {
          cause: error,
        });
      case "ENXIO":
        throw new Failure(
          "ImageInvalid",
          `${name} is a socket; give a regular file or a block device.`,
          {
            cause: error,
          },
        );
      default:
        throw new Failure("SourceReadFailed", `${name} cannot be opened: ${messageOf(error)}.`, {
          cause: error,
        });
    }
  }
}

function kindOf(stats: BigIntStats): string {
  if (stats.isDirectory()) return "a directory";
  if (stats.isFIFO()) return "a named pipe";
  return "a character device";
}

export function isSameFile(a: BigIntStats, b: BigIntStats): boolean {
  if (a.isBlockDevice() && b.isBlockDevice()) return a.rdev === b.rdev;
  return a.dev === b.dev && a.ino === b.ino;
}

/**
 * @throws Failure SourceChanged where the file was written to, resized or replaced by another
 * of the same name since it was opened.
 */
export function requireUnchanged(file: ImageFile): void {
  const change = changeSince(file);
  if (change === undefined) return;
  throw new Failure(
    "SourceChanged",
    `${quote(file.path)} ${change} while it was read, so the result would be of no moment in ` +
      "its life. Stop what writes to it, and run again.",
  );
}

function changeSince(file: ImageFile): string | undefined {
  const now = fstatSync(file.fd, { bigint: true });
  if (file.isBlockDevice) {
    return blockDeviceSize(file.fd) === file.length ? undefined : "changed its size";
  }
  if (now.size !== file.opened.size) return `went from ${file.opened.size} to ${now.size} bytes`;
  if (now.mtimeNs !== file.opened.mtimeNs) return "was modified";
  const named = statSync(file.path, { bigint: true, throwIfNoEntry: false });
  if (named === undefined) return "was deleted";
  return isSameFile(named, file.opened) ? undefined : "was replaced by another file";
}
