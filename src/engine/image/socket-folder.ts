/** A folder of its own for each server's socket, in the folder for temporary files. */
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmdirSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Failure } from "../../report/reasons.ts";
import { tryLockFolder } from "../system/libc.ts";
import { errorCode, messageOf, quote } from "../text.ts";

export interface SocketFolder {
  readonly socket: string;
  readonly pidFile: string;
  readonly path: string;
  readonly remove: () => void;
}

const PREFIX = "imagediff-nbd-";
/** The name of a Unix socket has at most 107 bytes (unix(7)). */
const SOCKET_NAME_BYTES = 107;

/** @throws Failure ReaderFailed */
export function makeSocketFolder(): SocketFolder {
  const parent = tmpdir();
  const unfit = (why: string): Failure =>
    new Failure(
      "ReaderFailed",
      `No socket for qemu-nbd can be made in ${quote(parent)}: ${why}. ` +
        "Name another folder with TMPDIR.",
    );
  const length = Buffer.byteLength(join(parent, `${PREFIX}XXXXXX`, "nbd"));
  if (length > SOCKET_NAME_BYTES) throw unfit("its name is too long");
  try {
    removeAbandoned(parent);
    return lockedFolder(parent);
  } catch (error) {
    throw unfit(messageOf(error));
  }
}

/** The lock ends with this process, however that ends, and so tells the next what is abandoned. */
function lockedFolder(parent: string): SocketFolder {
  for (;;) {
    const path = mkdtempSync(join(parent, PREFIX));
    const fd = openIfThere(path);
    if (fd === undefined) continue;
    const remove = (): void => {
      removeFolder(path);
      closeSync(fd);
    };
    if (tryLockFolder(fd) && existsSync(path)) {
      return { path, socket: join(path, "nbd"), pidFile: join(path, "pid"), remove };
    }
    // Another process took it for abandoned, in the moment before the lock.
    closeSync(fd);
  }
}

/** Removes what killed processes left; what belongs to another user is none of our business. */
function removeAbandoned(parent: string): void {
  for (const name of readdirSync(parent).filter((entry) => entry.startsWith(PREFIX))) {
    try {
      const fd = openFolder(join(parent, name));
      if (tryLockFolder(fd)) removeFolder(join(parent, name));
      closeSync(fd);
    } catch {
      // It went by itself, or may not be touched.
    }
  }
}

/** Another process may have taken it for abandoned already. */
function openIfThere(path: string): number | undefined {
  try {
    return openFolder(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function openFolder(path: string): number {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  return openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

function removeFolder(path: string): void {
  for (const name of ["nbd", "pid"]) rmSync(join(path, name), { force: true });
  rmdirSync(path);
}
