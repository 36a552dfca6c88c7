/**
 * Writes a qcow2 overlay in one pass, from its start to its end: clusters in the order of the
 * disk, each L2 table behind the data that it maps, all other tables last, the header at the
 * very end. The same changes make the same bytes. Given no file, it tells the exact size that
 * the overlay would have.
 */
import { Failure } from "../../report/reasons.ts";
import { MAX_L1_BYTES } from "../image/headers/qcow2.ts";
import { changesIn, type Change } from "../scan/changes.ts";
import { SUBCLUSTERS } from "../scan/compare.ts";
import type { Offsets } from "../scan/job.ts";
import { encodeHeader, type HeaderFacts } from "./header.ts";
import { HostClusters, type WriteAt } from "./host-clusters.ts";

/** L1 and L2 entries: this cluster's refcount is exactly one. */
const COPIED = 1n << 63n;
const COMPRESSED = 1n << 62n;
/** An L2 entry that reads as zero (version 3 without extended L2). */
const ALL_ZERO = 1n;

export interface OverlayFigures {
  readonly fileSize: number;
  readonly dataBytes: number;
  readonly zeroBytes: number;
}

export class OverlayWriter {
  readonly #facts: HeaderFacts;
  readonly #write: WriteAt;
  readonly #clusters: HostClusters;
  readonly #entryBytes: number;
  readonly #l2Entries: number;
  readonly #l1: Buffer;
  #l2: Buffer | null = null;
  #l2Index = -1;
  #dataBytes = 0;
  #zeroBytes = 0;

  /**
   * @throws Failure OverlayTooLarge where the disk is too large for the cluster size;
   * BackingFileRefused where its name does not fit.
   */
  constructor(facts: Omit<HeaderFacts, "l1Entries">, write: WriteAt) {
    const { clusterSize, extendedL2, refcountBits } = facts.options;
    this.#entryBytes = extendedL2 ? 16 : 8;
    this.#l2Entries = clusterSize / this.#entryBytes;
    const l1Entries = Math.ceil(facts.virtualSize / (this.#l2Entries * clusterSize));
    if (l1Entries * 8 > MAX_L1_BYTES) {
      const most = (MAX_L1_BYTES / 8) * this.#l2Entries * clusterSize;
      throw new Failure(
        "OverlayTooLarge",
        `With clusters of ${clusterSize} bytes an overlay holds a disk of at most ${most} bytes; ` +
          `this one has ${facts.virtualSize}. Use larger clusters.`,
      );
    }
    this.#facts = { ...facts, l1Entries };
    this.#write = write;
    this.#l1 = Buffer.alloc(l1Entries * 8);
    this.#clusters = new HostClusters(clusterSize, refcountBits, write);
    const nowhere = {
      l1TableOffset: 0,
      refcountTableOffset: 0,
      refcountTableClusters: 0,
      fileSize: 0,
    };
    encodeHeader(this.#facts, nowhere);
  }

  /** Takes one span's changes, spans in order; says where to store those that have bytes. */
  add(spanStart: number, words: Uint32Array): Offsets {
    const { clusterSize } = this.#facts.options;
    const offsets: number[] = [];
    for (const change of changesIn(words)) {
      const cluster = spanStart / clusterSize + change.cluster;
      this.#select(Math.floor(cluster / this.#l2Entries));
      const index = cluster % this.#l2Entries;
      const offset = this.#allocate(change);
      if (offset !== null) offsets.push(offset);
      this.#setEntry(index, change, offset);
      this.#tally(cluster * clusterSize, change);
    }
    return Float64Array.from(offsets);
  }

  /** Writes all tables and the header; the file is then complete but for its sync. */
  finish(): OverlayFigures {
    this.#flush();
    const tables = this.#clusters.finish(this.#l1);
    this.#write(encodeHeader(this.#facts, tables), 0);
    return { fileSize: tables.fileSize, dataBytes: this.#dataBytes, zeroBytes: this.#zeroBytes };
  }

  #allocate({ length }: Change): number | null {
    if (length === 0) return null;
    const plain = length === this.#facts.options.clusterSize;
    return plain ? this.#clusters.allocate() : this.#clusters.allocateBytes(length);
  }

  #setEntry(index: number, change: Change, offset: number | null): void {
    const { clusterSize, extendedL2 } = this.#facts.options;
    const at = index * this.#entryBytes;
    const compressed = offset !== null && change.length < clusterSize;
    const table = this.#l2 as Buffer;
    if (compressed) {
      table.writeBigUInt64BE(compressedEntry(offset, change.length, clusterSize), at);
      return;
    }
    const host = offset === null ? 0n : COPIED | BigInt(offset);
    table.writeBigUInt64BE(host | (extendedL2 || offset !== null ? 0n : ALL_ZERO), at);
    if (extendedL2) {
      table.writeUInt32BE(change.zeroBits, at + 8);
      table.writeUInt32BE(change.dataBits, at + 12);
    }
  }

  #tally(start: number, change: Change): void {
    const { clusterSize, extendedL2 } = this.#facts.options;
    const here = (bytes: number): number =>
      Math.min(bytes, Math.max(0, this.#facts.virtualSize - start));
    if (!extendedL2) {
      if (change.length === 0) this.#zeroBytes += here(clusterSize);
      else this.#dataBytes += here(clusterSize);
      return;
    }
    const part = clusterSize / SUBCLUSTERS;
    for (let bit = 0; bit < SUBCLUSTERS; bit++) {
      const bytes = Math.min(part, Math.max(0, this.#facts.virtualSize - start - bit * part));
      if ((change.dataBits & (1 << bit)) !== 0) this.#dataBytes += bytes;
      if ((change.zeroBits & (1 << bit)) !== 0) this.#zeroBytes += bytes;
    }
  }

  #select(l2Index: number): void {
    if (l2Index === this.#l2Index) return;
    this.#flush();
    this.#l2Index = l2Index;
    this.#l2 = Buffer.alloc(this.#facts.options.clusterSize);
  }

  #flush(): void {
    if (this.#l2 === null) return;
    const offset = this.#clusters.allocate();
    this.#write(this.#l2, offset);
    this.#l1.writeBigUInt64BE(COPIED | BigInt(offset), this.#l2Index * 8);
    this.#l2 = null;
  }
}

/**
 * "Compressed Clusters Descriptor": the low x bits are the offset, the bits from x to 61 the
 * number of further 512-byte sectors that the data touches; x = 62 - (cluster_bits - 8).
 */
function compressedEntry(offset: number, length: number, clusterSize: number): bigint {
  const sectors = Math.floor((offset + length - 1) / 512) - Math.floor(offset / 512);
  const x = BigInt(62 - (Math.log2(clusterSize) - 8));
  return COMPRESSED | (BigInt(sectors) << x) | BigInt(offset);
}
