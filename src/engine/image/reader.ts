/**
 * Reading an image's bytes inside a worker thread. A source is plain data that can be sent to a
 * thread; a reader is what the thread opens from it.
 */
import { NbdReader } from "./nbd-reader.ts";
import { RawReader } from "./raw-reader.ts";

/** A run of bytes [start, end) of the virtual disk. */
export interface Extent {
  readonly start: number;
  readonly end: number;
}

export interface RawSource {
  readonly kind: "raw";
  readonly fd: number;
  /** The name for messages. */
  readonly name: string;
  /** Bytes that count, from the start; bytes beyond them read as zero. */
  readonly length: number;
  /** False to read every byte: the file cannot tell its holes, or is not to be trusted. */
  readonly sparse: boolean;
  /** Whether its extents on storage may be shared with the other image's. */
  readonly shared: boolean;
}

export interface NbdSource {
  readonly kind: "nbd";
  readonly socket: string;
  readonly name: string;
  /** Bytes that count, from the start; bytes beyond them read as zero. */
  readonly length: number;
  /** What counts as its data extents: what may be other than zero, or what the top image of
   * its chain holds itself, be it data or zeroes. */
  readonly extents: "data" | "own";
  readonly sparse: boolean;
}

export type Source = RawSource | NbdSource;

export interface ImageReader {
  /** Bytes up to which there can be anything but zeroes. */
  readonly length: number;
  /** The first byte at or after `offset` that may be other than zero; `length` where none is. */
  nextData(offset: number): number;
  /** What may be other than zero within [start, end), in order and apart. */
  dataExtents(start: number, end: number): Extent[];
  /**
   * Fills the buffer's first `count` bytes from `offset`; beyond the image's length with zeroes.
   * @throws Failure SourceReadFailed, SourceChanged or ReaderFailed.
   */
  read(buffer: Buffer, count: number, offset: number): void;
  /** Tells that [start, end) will be read soon. */
  willRead(start: number, end: number): void;
  /** Tells that [start, end) is done with. */
  didRead(start: number, end: number): void;
  close(): void;
}

export function openReader(source: Source): ImageReader {
  return source.kind === "raw" ? new RawReader(source) : new NbdReader(source);
}
