/** Reads a raw file or block device by positioned reads, knowing its holes by SEEK_DATA. */
import { readSync } from "node:fs";
import { Failure } from "../../report/reasons.ts";
import {
  cachedPages,
  dropCache,
  prefetch,
  readExactly,
  seekData,
  seekHole,
} from "../system/libc.ts";
import { messageOf, quote } from "../text.ts";
import type { Extent, ImageReader, RawSource } from "./reader.ts";

const PAGE_BYTES = 4096;
/** Linux shortens a longer request to the device's read-ahead, 128 KiB unless set otherwise. */
const PREFETCH_BYTES = 128 * 1024;

export class RawReader implements ImageReader {
  readonly length: number;
  readonly #source: RawSource;
  /** The ranges that were not in the page cache before us, by their start. */
  readonly #cold = new Set<number>();

  constructor(source: RawSource) {
    this.#source = source;
    this.length = source.length;
    if (source.length > 0) readExactly(source.fd);
  }

  nextData(offset: number): number {
    if (!this.#source.sparse || offset >= this.length) return Math.min(offset, this.length);
    const found = seekData(this.#source.fd, offset);
    return found === undefined ? offset : (found ?? this.length);
  }

  dataExtents(start: number, end: number): Extent[] {
    const limit = Math.min(end, this.length);
    if (start >= limit) return [];
    if (!this.#source.sparse) return [{ start, end: limit }];
    const extents: Extent[] = [];
    let at = this.nextData(start);
    while (at < limit) {
      const hole = Math.min(seekHole(this.#source.fd, at) ?? this.length, limit);
      extents.push({ start: at, end: hole });
      at = hole < limit ? this.nextData(hole) : limit;
    }
    return extents;
  }

  read(buffer: Buffer, count: number, offset: number): void {
    const wanted = Math.max(0, Math.min(count, this.length - offset));
    let filled = 0;
    while (filled < wanted) {
      const got = this.#readSome(buffer, filled, wanted - filled, offset + filled);
      if (got === 0) {
        throw new Failure(
          "SourceChanged",
          `${quote(this.#source.name)} ended at byte ${offset + filled} while it was read, though ` +
            `it had ${this.length} bytes at the start. Stop what shrinks it, and run again.`,
        );
      }
      filled += got;
    }
    if (wanted < count) buffer.fill(0, wanted, count);
  }

  #readSome(buffer: Buffer, at: number, count: number, offset: number): number {
    try {
      return readSync(this.#source.fd, buffer, at, count, offset);
    } catch (error) {
      throw new Failure(
        "SourceReadFailed",
        `${quote(this.#source.name)} cannot be read at byte ${offset}: ${messageOf(error)}. ` +
          "Check the storage below it (the kernel's log tells more).",
        { cause: error },
      );
    }
  }

  /**
   * What the page cache does not have yet is asked for all at once, so that slow storage gets
   * many requests to work on, and is given back afterwards, so that others keep their cache.
   */
  willRead(start: number, end: number): void {
    const limit = Math.min(end, this.length);
    if (start >= limit) return;
    const cached = cachedPages(this.#source.fd, start, limit - start);
    if (cached !== undefined && cached * 2 * PAGE_BYTES >= limit - start) return;
    for (let at = start; at < limit; at += PREFETCH_BYTES) {
      prefetch(this.#source.fd, at, Math.min(PREFETCH_BYTES, limit - at));
    }
    this.#cold.add(start);
  }

  didRead(start: number, end: number): void {
    if (this.#cold.delete(start)) dropCache(this.#source.fd, start, end - start);
  }

  close(): void {
    this.#cold.clear();
  }
}
