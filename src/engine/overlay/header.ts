/** The overlay's first cluster: docs/interop/qcow2 in QEMU's source tree, "Header". */
import { Failure } from "../../report/reasons.ts";
import { HeaderExtension } from "../image/headers/qcow2.ts";
import { quote } from "../text.ts";
import type { FinalTables } from "./host-clusters.ts";
import type { OverlayOptions } from "./options.ts";

/** Header version 3 with the byte for the compression type, padded to a multiple of 8. */
const HEADER_BYTES = 112;
const MAX_NAME_BYTES = 1023;

export interface BackingRecord {
  readonly name: string;
  readonly format: string;
}

export interface HeaderFacts {
  readonly options: OverlayOptions;
  readonly backing: BackingRecord;
  /** Bytes, a multiple of 512. */
  readonly virtualSize: number;
  /** Bytes of the image that the overlay was made from, if that is no multiple of 512. */
  readonly exactSize: number | null;
  readonly l1Entries: number;
}

/**
 * The header with its extensions and the backing file's name, to be written at offset 0.
 * @throws Failure BackingFileRefused where the name is too long for the format or the cluster.
 */
export function encodeHeader(facts: HeaderFacts, tables: FinalTables): Buffer {
  const { options, backing } = facts;
  const name = Buffer.from(backing.name);
  const extensions = Buffer.concat([
    extension(HeaderExtension.BackingFormat, Buffer.from(backing.format)),
    ...(facts.exactSize === null
      ? []
      : [extension(HeaderExtension.ExactSize, uint64(facts.exactSize))]),
    extension(HeaderExtension.End, Buffer.alloc(0)),
  ]);
  const nameOffset = HEADER_BYTES + extensions.length;
  const room = Math.min(MAX_NAME_BYTES, options.clusterSize - nameOffset);
  if (name.length > room) {
    throw new Failure(
      "BackingFileRefused",
      `The backing file's name has ${name.length} bytes, and the overlay's header has room for ` +
        `${room}: ${quote(backing.name)}. Record a shorter one with --backing-file, or use larger clusters.`,
    );
  }

  const header = Buffer.alloc(HEADER_BYTES);
  header.write("QFI\xfb", 0, "latin1");
  header.writeUInt32BE(3, 4);
  header.writeBigUInt64BE(BigInt(nameOffset), 8);
  header.writeUInt32BE(name.length, 16);
  header.writeUInt32BE(Math.log2(options.clusterSize), 20);
  header.writeBigUInt64BE(BigInt(facts.virtualSize), 24);
  header.writeUInt32BE(facts.l1Entries, 36);
  header.writeBigUInt64BE(BigInt(tables.l1TableOffset), 40);
  header.writeBigUInt64BE(BigInt(tables.refcountTableOffset), 48);
  header.writeUInt32BE(tables.refcountTableClusters, 56);
  const zstd = options.compressionType === "zstd";
  header.writeBigUInt64BE((zstd ? 8n : 0n) | (options.extendedL2 ? 16n : 0n), 72);
  header.writeBigUInt64BE(options.lazyRefcounts ? 1n : 0n, 80);
  header.writeUInt32BE(Math.log2(options.refcountBits), 96);
  header.writeUInt32BE(HEADER_BYTES, 100);
  header.writeUInt8(zstd ? 1 : 0, 104);
  return Buffer.concat([header, extensions, name]);
}

function extension(type: number, data: Buffer): Buffer {
  const encoded = Buffer.alloc(8 + Math.ceil(data.length / 8) * 8);
  encoded.writeUInt32BE(type, 0);
  encoded.writeUInt32BE(data.length, 4);
  data.copy(encoded, 8);
  return encoded;
}

function uint64(value: number): Buffer {
  const encoded = Buffer.alloc(8);
  encoded.writeBigUInt64BE(BigInt(value));
  return encoded;
}
