/**
 * Gives out the overlay file's clusters, from its start to its end, and counts the references
 * to each (docs/interop/qcow2 in QEMU's source tree, "Host cluster management").
 *
 * A refcount block stands at the start of the range of clusters that it counts (the first one
 * behind the header), so each is complete, and written, as soon as its range is full: memory
 * does not grow with the file.
 */

import { Failure } from "../../report/reasons.ts";
import { MAX_REFCOUNT_TABLE_BYTES } from "../image/headers/qcow2.ts";

export type WriteAt = (bytes: Buffer, offset: number) => void;

interface RefcountBlock {
  readonly offset: number;
  readonly counts: Buffer;
}

export interface FinalTables {
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
  readonly l1TableOffset: number;
  /** Where the file ends, in bytes. */
  readonly fileSize: number;
}

export class HostClusters {
  readonly #clusterSize: number;
  readonly #refcountBits: number;
  /** How many clusters one refcount block counts. */
  readonly #range: number;
  readonly #write: WriteAt;
  /** Blocks that may still change, by the number of their range. */
  readonly #open = new Map<number, RefcountBlock>();
  readonly #blockOffsets: number[] = [];
  /** The first cluster that was never given out. */
  #next = 1;
  /** Where in a partly filled cluster the next compressed data goes; 0 for nowhere. */
  #free = 0;

  constructor(clusterSize: number, refcountBits: number, write: WriteAt) {
    this.#clusterSize = clusterSize;
    this.#refcountBits = refcountBits;
    this.#range = (clusterSize * 8) / refcountBits;
    this.#write = write;
    this.#openRange(0, this.#next++);
    this.#count(0);
    this.#count(1);
  }

  /** A cluster of one's own: its offset in bytes. */
  allocate(): number {
    if (this.#next % this.#range === 0) {
      const cluster = this.#next++;
      this.#openRange(cluster / this.#range, cluster);
      this.#count(cluster);
    }
    const cluster = this.#next++;
    this.#count(cluster);
    return cluster * this.#clusterSize;
  }

  /** Room for compressed data of fewer bytes than a cluster: its offset in bytes, any number. */
  allocateBytes(length: number): number {
    const size = this.#clusterSize;
    const full =
      this.#free !== 0 && this.#refcount(Math.floor(this.#free / size)) >= this.#maximum();
    if (full) this.#free = 0;
    const room = this.#free === 0 ? 0 : size - (this.#free % size);
    let offset = this.#free;
    if (room < length) {
      const fresh = this.allocate();
      const continues = room > 0 && fresh === this.#free + room;
      if (continues) this.#count(Math.floor(offset / size));
      else offset = fresh;
    } else {
      this.#count(Math.floor(offset / size));
    }
    const end = offset + length;
    this.#free = end % size === 0 ? 0 : end;
    return offset;
  }

  /** Lays out and writes what is left: refcount blocks, the refcount table, the L1 table. */
  finish(l1Table: Buffer): FinalTables {
    const size = this.#clusterSize;
    const l1Clusters = Math.ceil(l1Table.length / size);
    const first = this.#next;
    let blocks = this.#blockOffsets.length;
    let tableClusters = 0;
    // Until the sum holds: a table that grows needs counting itself.
    for (let end = 0; ;) {
      const total = first + (blocks - this.#blockOffsets.length) + tableClusters + l1Clusters;
      if (total === end) break;
      end = total;
      blocks = Math.max(this.#blockOffsets.length, Math.ceil(end / this.#range));
      tableClusters = Math.ceil((blocks * 8) / size);
    }
    for (let range = this.#blockOffsets.length; range < blocks; range++) {
      this.#openRange(range, this.#next++, true);
    }
    const refcountTableOffset = this.#next * size;
    const l1TableOffset = refcountTableOffset + tableClusters * size;
    this.#next += tableClusters + l1Clusters;
    for (let cluster = first; cluster < this.#next; cluster++) this.#count(cluster);
    this.#closeBefore(Infinity);

    const refcountTable = Buffer.alloc(tableClusters * size);
    for (const [index, offset] of this.#blockOffsets.entries()) {
      refcountTable.writeBigUInt64BE(BigInt(offset), index * 8);
    }
    this.#write(refcountTable, refcountTableOffset);
    this.#write(l1Table, l1TableOffset);
    return {
      refcountTableOffset,
      refcountTableClusters: tableClusters,
      l1TableOffset,
      fileSize: l1TableOffset + l1Table.length,
    };
  }

  #openRange(range: number, cluster: number, keepOthers = false): void {
    if ((range + 1) * 8 > MAX_REFCOUNT_TABLE_BYTES) throw this.#tooLarge();
    const offset = cluster * this.#clusterSize;
    this.#blockOffsets[range] = offset;
    this.#open.set(range, { offset, counts: Buffer.alloc(this.#clusterSize) });
    if (keepOthers) return;
    // Compressed data may go on in a cluster of the range before, but not further back.
    if (this.#free < (range - 1) * this.#range * this.#clusterSize) this.#free = 0;
    this.#closeBefore(range - 1);
  }

  #tooLarge(): Failure {
    const most = (MAX_REFCOUNT_TABLE_BYTES / 8) * this.#range * this.#clusterSize;
    return new Failure(
      "OverlayTooLarge",
      `With clusters of ${this.#clusterSize} bytes and refcounts of ${this.#refcountBits} bits an ` +
        `overlay's file has at most ${most} bytes; this one needs more. Use larger clusters.`,
    );
  }

  #closeBefore(range: number): void {
    for (const [number, block] of this.#open) {
      if (number >= range) continue;
      this.#write(block.counts, block.offset);
      this.#open.delete(number);
    }
  }

  #maximum(): number {
    return this.#refcountBits >= 32 ? 2 ** 32 - 1 : 2 ** this.#refcountBits - 1;
  }

  #refcount(cluster: number): number {
    return this.#access(cluster, 0);
  }

  #count(cluster: number): void {
    this.#access(cluster, 1);
  }

  /** Counts are big-endian; below 8 bits a byte's lowest bits come first. */
  #access(cluster: number, increment: number): number {
    const block = this.#open.get(Math.floor(cluster / this.#range));
    if (block === undefined) throw new Error(`refcount block of cluster ${cluster} is closed`);
    const { counts } = block;
    const index = cluster % this.#range;
    const bits = this.#refcountBits;
    if (bits >= 8) {
      // 64-bit counts stay within the low 48 bits that these calls can write.
      const bytes = Math.min(bits / 8, 6);
      const at = (index + 1) * (bits / 8) - bytes;
      const value = counts.readUIntBE(at, bytes) + increment;
      counts.writeUIntBE(value, at, bytes);
      return value;
    }
    const at = Math.floor((index * bits) / 8);
    const shift = (index * bits) % 8;
    const mask = (2 ** bits - 1) << shift;
    const byte = counts[at] ?? 0;
    const value = ((byte & mask) >> shift) + increment;
    counts[at] = (byte & ~mask) | (value << shift);
    return value;
  }
}
