/**
 * Volumes: the folders that a run may touch. A name that leaves its volume through `..` or a
 * symbolic link is refused, judged by where the kernel says the opened file lies.
 */
import { readlinkSync, realpathSync } from "node:fs";
import { dirname, resolve, sep } from "node:path";
import { Failure } from "../../report/reasons.ts";
import { messageOf, quote } from "../text.ts";

export interface Volume {
  /** As the user named it, absolute. */
  readonly path: string;
  /** With every symbolic link resolved. */
  readonly realPath: string;
}

export function openVolumes(paths: readonly string[]): Volume[] {
  return paths.map((given) => {
    const path = resolve(given);
    try {
      return { path, realPath: realpathSync(path) };
    } catch (error) {
      throw new Failure(
        "ImageNotFound",
        `The volume ${quote(given)} cannot be used: ${messageOf(error)}.`,
        { cause: error },
      );
    }
  });
}

/** The volume of an image that stands alone: the folder that it lies in. */
export function folderOf(realPath: string): Volume {
  return { path: dirname(realPath), realPath: dirname(realPath) };
}

export function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

/**
 * The volume that a name belongs to by its spelling: the innermost one.
 * @throws Failure PathOutsideVolume where it belongs to none.
 */
export function volumeOf(path: string, volumes: readonly Volume[]): Volume {
  const absolute = resolve(path);
  const inside = volumes.filter((volume) => isInside(absolute, volume.path));
  const innermost = inside.toSorted((a, b) => b.path.length - a.path.length)[0];
  if (innermost === undefined) {
    const names = volumes.map((volume) => quote(volume.path)).join(", ");
    throw new Failure(
      "PathOutsideVolume",
      `${quote(path)} lies outside of the volumes that this run may use (${names}).`,
    );
  }
  return innermost;
}

/** Where the kernel says an open file lies: no name can change between this look and its use. */
export function realPathOf(fd: number): string {
  return readlinkSync(`/proc/self/fd/${fd}`);
}

/**
 * @throws Failure PathOutsideVolume where the open file lies in none of the volumes.
 */
export function requireInside(fd: number, name: string, volumes: readonly Volume[]): void {
  const real = realPathOf(fd);
  if (volumes.some((volume) => isInside(real, volume.realPath))) return;
  const folders = volumes.map((volume) => quote(volume.path)).join(", ");
  throw new Failure(
    "PathOutsideVolume",
    `${quote(name)} leads to ${quote(real)}, which lies outside of ${folders}. ` +
      "Put the file itself inside, or name its volume with --volume.",
  );
}
