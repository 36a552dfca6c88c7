/**
 * The output file: it grows under a temporary name, and appears under its own only when it is
 * whole and on storage. Whatever dies, whenever, a rerun finds either nothing or all of it.
 */
import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readlinkSync,
  renameSync,
  statSync,
  unlinkSync,
  type BigIntStats,
} from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";
import { Failure } from "../../report/reasons.ts";
import { isSameFile, type ImageFile } from "../image/file.ts";
import { requireInside, volumeOf, type Volume } from "../image/volumes.ts";
import { writeFailure } from "../system/write.ts";
import { renameNoReplace, tryLockFile } from "../system/libc.ts";
import { busy, cannotCreate, exists } from "./output-failures.ts";
import { haveSameBytes } from "./same-bytes.ts";
import { errorCode, quote } from "../text.ts";

/**
 * Refuse: the run fails. Replace: it takes the file's place. AcceptSame: the run succeeds if the
 * file is, byte for byte, what it has made itself; so a run whose success nobody heard of can be
 * repeated.
 */
export type ExistingOutput = "Refuse" | "Replace" | "AcceptSame";

export interface OutputRequest {
  readonly path: string;
  /** What is done about a file that has the name already. */
  readonly existing: ExistingOutput;
  readonly volumes: readonly Volume[];
  /** Files that must not be the output. */
  readonly inputs: readonly ImageFile[];
}

const unfinished = new Set<OutputFile>();

/** Removes what runs have begun and not finished: for a process that ends in a hurry. */
export function discardUnfinished(): void {
  for (const output of unfinished) output.close();
}

export class OutputFile {
  /** The output's folder with every symbolic link resolved, and its own name. */
  readonly finalPath: string;
  /** The file that is to be the output, open for reading and writing. */
  readonly fd: number;
  readonly #request: OutputRequest;
  readonly #folder: number;
  readonly #temporary: string;
  #finished = false;

  /**
   * @throws Failure OutputExists, OutputDirectoryMissing, OutputNotWritable, OutputBusy,
   * PathOutsideVolume, SameImage or NoSpace.
   */
  constructor(request: OutputRequest) {
    this.#request = request;
    this.#folder = openFolder(request);
    try {
      const name = basename(request.path);
      this.finalPath = join(readlinkSync(`/proc/self/fd/${this.#folder}`), name);
      this.#requireFree();
      // Of a length of its own: a name of 255 bytes leaves no room for a suffix.
      const hash = createHash("sha256").update(name).digest("hex").slice(0, 16);
      this.#temporary = this.#inFolder(`.imagediff-${hash}.partial`);
      this.fd = this.#create();
      unfinished.add(this);
    } catch (error) {
      closeSync(this.#folder);
      throw error instanceof Failure ? error : cannotCreate(request.path, error);
    }
  }

  /** By way of the open folder: nobody can put another one in its place. */
  #inFolder(name: string): string {
    return `/proc/self/fd/${this.#folder}/${name}`;
  }

  get #final(): string {
    return this.#inFolder(basename(this.#request.path));
  }

  #requireFree(acceptable = this.#request.existing !== "Refuse"): void {
    const existing = lstatSync(this.#final, { bigint: true, throwIfNoEntry: false });
    if (existing === undefined) return;
    const name = quote(this.#request.path);
    const target = statSync(this.#final, { bigint: true, throwIfNoEntry: false }) ?? existing;
    if (this.#request.inputs.some((input) => isSameFile(input.opened, target))) {
      throw new Failure(
        "SameImage",
        `The output ${name} is one of the input images; give it another name.`,
      );
    }
    if (!existing.isFile() && !existing.isSymbolicLink()) {
      throw new Failure(
        "OutputNotWritable",
        `The output ${name} exists and is not a regular file.`,
      );
    }
    if (!acceptable) throw exists(this.#request.path);
  }

  /**
   * A file of our own, locked: what an ended run left is removed, what a live one is writing is
   * not touched, and nothing that was there before is ever written to.
   */
  #create(): number {
    const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    try {
      this.#removeLeftover();
      const fd = openSync(this.#temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);
      if (tryLockFile(fd) && this.#isNamed(fd)) return fd;
      closeSync(fd);
    } catch (error) {
      if (error instanceof Failure) throw error;
      if (errorCode(error) !== "EEXIST") throw cannotCreate(this.#request.path, error);
    }
    throw busy(this.#request.path);
  }

  #removeLeftover(): void {
    const leftover = lstatSync(this.#temporary, { throwIfNoEntry: false });
    if (leftover === undefined) return;
    if (leftover.isFile()) {
      const { fd, kind } = this.#openLeftover();
      try {
        if (!tryLockFile(fd, kind)) throw busy(this.#request.path);
        if (this.#isNamed(fd)) unlinkSync(this.#temporary);
      } finally {
        closeSync(fd);
      }
    } else {
      unlinkSync(this.#temporary);
    }
  }

  /** One of another user may not be written to, but that no run has it can be told all the same. */
  #openLeftover(): { fd: number; kind: "Write" | "Read" } {
    const { O_RDWR, O_RDONLY, O_NOFOLLOW } = constants;
    try {
      return { fd: openSync(this.#temporary, O_RDWR | O_NOFOLLOW), kind: "Write" };
    } catch (error) {
      if (errorCode(error) !== "EACCES") throw error;
      return { fd: openSync(this.#temporary, O_RDONLY | O_NOFOLLOW), kind: "Read" };
    }
  }

  /** Whether an open file is the one with the temporary name. */
  #isNamed(fd: number): boolean {
    const named = lstatSync(this.#temporary, { bigint: true, throwIfNoEntry: false });
    return named !== undefined && isSameFile(named, fstatSync(fd, { bigint: true }));
  }

  /**
   * Another file beside this one, for what the output is made from: it has no name, so nothing
   * stays of it whatever dies. The caller closes it.
   */
  scratch(): number {
    const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const path = `${this.#temporary}2`;
    try {
      if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) unlinkSync(path);
      const fd = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      unlinkSync(path);
      return fd;
    } catch (error) {
      throw cannotCreate(this.#request.path, error);
    }
  }

  /**
   * Gives the file its name, for good: the file must have been synced.
   * @throws Failure OutputExists where another came first, or is not the same.
   */
  finish(): void {
    try {
      const same = this.#request.existing === "AcceptSame" && this.#isThere();
      if (!same) this.#rename();
      this.#finished = !same;
      fsyncSync(this.#folder);
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw errorCode(error) === "EEXIST" ? exists(this.#request.path) : writeFailure(error);
    }
  }

  #rename(): void {
    const { existing } = this.#request;
    // Where locks do not hold, another run may have taken the name.
    if (!this.#isNamed(this.fd)) throw busy(this.#request.path);
    if (existing !== "Replace" && renameNoReplace(this.#temporary, this.#final)) return;
    this.#requireFree(existing === "Replace");
    renameSync(this.#temporary, this.#final);
  }

  /**
   * Whether the file with the final name has the very bytes of this one; false if there is none.
   * @throws Failure OutputExists where it has others.
   */
  #isThere(): boolean {
    const existing = lstatSync(this.#final, { throwIfNoEntry: false });
    if (existing === undefined) return false;
    if (!existing.isFile()) throw exists(this.#request.path);
    const fd = openSync(this.#final, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      if (!haveSameBytes(fd, this.fd)) throw exists(this.#request.path);
      fsyncSync(fd);
      return true;
    } finally {
      closeSync(fd);
    }
  }

  /** The file that a name leads to from the output's folder, if any can be found by it. */
  find(name: string): BigIntStats | undefined {
    try {
      const path = isAbsolute(name) ? name : this.#inFolder(name);
      return statSync(path, { bigint: true });
    } catch {
      return undefined;
    }
  }

  /** Closes it, and leaves nothing behind unless it was finished. */
  close(): void {
    unfinished.delete(this);
    if (!this.#finished && this.#isNamed(this.fd)) {
      unlinkSync(this.#temporary);
    }
    closeSync(this.fd);
    closeSync(this.#folder);
  }
}

function openFolder(request: OutputRequest): number {
  const folder = dirname(request.path);
  let fd: number;
  try {
    fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") {
      throw new Failure(
        "OutputDirectoryMissing",
        `The output's folder ${quote(folder)} does not exist; make it first.`,
        { cause: error },
      );
    }
    throw cannotCreate(request.path, error);
  }
  if (request.volumes.length > 0) {
    try {
      requireInside(fd, folder, [volumeOf(request.path, request.volumes)]);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }
  return fd;
}
