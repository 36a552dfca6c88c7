/**
 * What a qcow2 header says about other files, and whether it is sane enough to hand to QEMU.
 * Every format fact is from docs/interop/qcow2 in QEMU's source tree.
 */
import { Failure } from "../../../report/reasons.ts";
import { quote } from "../../text.ts";
import type { ImageFile } from "../file.ts";
import { readAt } from "../format.ts";

export interface BackingReference {
  /** As recorded in the image. */
  readonly name: string;
  /**
   * As recorded; null where the image could say and does not; "detect" where its format has no
   * word for it, and only an image that leads to no other file may be told from its first bytes.
   */
  readonly format: string | null;
}

export interface Qcow2Header {
  /** Virtual size in bytes. */
  readonly virtualSize: number;
  readonly backing: BackingReference | null;
  /** The exact size of the raw image that the overlay was made from, where it is recorded. */
  readonly exactSize: number | null;
}

export const HeaderExtension = {
  End: 0,
  BackingFormat: 0xe2792aca,
  /**
   * ImageDiff's own: the size in bytes of a raw image that is no multiple of 512, which a
   * qcow2 size cannot express. QEMU ignores extensions that it does not know.
   */
  ExactSize: 0x49446966,
} as const;

/** QEMU refuses larger first-level tables (QCOW_MAX_L1_SIZE). */
export const MAX_L1_BYTES = 32 * 2 ** 20;
/** QEMU refuses larger refcount tables (QCOW_MAX_REFTABLE_SIZE). */
export const MAX_REFCOUNT_TABLE_BYTES = 8 * 2 ** 20;
const MAX_SNAPSHOTS = 65536;
/** Larger disks are beyond what any cloud offers, and most likely an attack or an accident. */
export const MAX_DECLARED_SIZE = 2 ** 46;

const Incompatible = { dirty: 1n, corrupt: 2n, externalData: 4n, compression: 8n, extendedL2: 16n };
const KNOWN = Object.values(Incompatible).reduce((all, bit) => all | bit);

/**
 * @throws Failure ImageInvalid for a header that cannot be right, ImageRefused for one that
 * asks for what the engine does not do (encryption, an external data file, unknown features).
 */
export function readQcow2Header(file: ImageFile, role: string): Qcow2Header {
  const name = `${role} ${quote(file.path)}`;
  const invalid = (why: string): Failure =>
    new Failure("ImageInvalid", `${name} is not a valid qcow2 image: ${why}.`);
  const refused = (why: string): Failure => new Failure("ImageRefused", `${name} ${why}.`);

  const fixed = readAt(file.fd, 0, 112);
  if (fixed.length < 72) throw invalid(`it has only ${file.length} bytes, too few for a header`);
  if (fixed.toString("latin1", 0, 4) !== "QFI\xfb") throw invalid("its magic number is missing");
  const version = fixed.readUInt32BE(4);
  if (version !== 2 && version !== 3) throw refused(`has the unknown qcow2 version ${version}`);
  if (version === 3 && fixed.length < 104) throw invalid("its header is cut short");

  const clusterBits = fixed.readUInt32BE(20);
  if (clusterBits < 9 || clusterBits > 21) {
    throw invalid(`its cluster size of 2^${clusterBits} bytes is not between 2^9 and 2^21`);
  }
  const clusterSize = 2 ** clusterBits;
  const virtualSize = Number(fixed.readBigUInt64BE(24));
  if (virtualSize > MAX_DECLARED_SIZE) {
    throw refused(`claims a disk of ${virtualSize} bytes; at most ${MAX_DECLARED_SIZE} are read`);
  }
  if (fixed.readUInt32BE(32) !== 0) throw refused("is encrypted; decrypt it first");

  const incompatible = version === 3 ? fixed.readBigUInt64BE(72) : 0n;
  if ((incompatible & Incompatible.corrupt) !== 0n) {
    throw invalid("it is marked as corrupt; mend it with 'qemu-img check -r all'");
  }
  if ((incompatible & Incompatible.externalData) !== 0n) {
    throw refused("keeps its data in another file (external data file), which is never followed");
  }
  if ((incompatible & ~KNOWN) !== 0n) {
    throw refused(`uses unknown qcow2 features (bits 0x${(incompatible & ~KNOWN).toString(16)})`);
  }
  const extended = (incompatible & Incompatible.extendedL2) !== 0n;

  const l1Entries = fixed.readUInt32BE(36);
  const l2Reach = clusterSize * (clusterSize / (extended ? 16 : 8));
  if (l1Entries * 8 > MAX_L1_BYTES) throw invalid(`its L1 table has ${l1Entries} entries`);
  if (l1Entries < Math.ceil(virtualSize / l2Reach)) {
    throw invalid("its L1 table is too small for its size");
  }
  const snapshots = fixed.readUInt32BE(60);
  if (snapshots > MAX_SNAPSHOTS) throw invalid(`it claims ${snapshots} snapshots`);
  const refcountTableBytes = fixed.readUInt32BE(56) * clusterSize;
  if (refcountTableBytes === 0 || refcountTableBytes > MAX_REFCOUNT_TABLE_BYTES) {
    throw invalid(`its refcount table of ${refcountTableBytes} bytes is out of range`);
  }
  requireApart(
    [
      { what: "header", start: 0, end: clusterSize },
      { what: "L1 table", ...span(fixed.readBigUInt64BE(40), l1Entries * 8) },
      { what: "refcount table", ...span(fixed.readBigUInt64BE(48), refcountTableBytes) },
    ],
    file,
    clusterSize,
    invalid,
  );

  const headerLength = version === 3 ? fixed.readUInt32BE(100) : 72;
  if (headerLength < (version === 3 ? 104 : 72) || headerLength > clusterSize) {
    throw invalid(`its header length of ${headerLength} bytes is out of range`);
  }
  const first = readAt(file.fd, 0, clusterSize);
  const extensions = readExtensions(first, headerLength, invalid);
  const backing = readBacking(first, extensions, invalid);
  const exact = extensions.get(HeaderExtension.ExactSize);
  const exactSize = exact?.length === 8 ? Number(exact.readBigUInt64BE()) : null;
  // QEMU keeps the extension when it resizes the image: it then tells of another size.
  const fits = exactSize !== null && Math.ceil(exactSize / 512) * 512 === virtualSize;
  return { virtualSize, backing, exactSize: fits ? exactSize : null };
}

interface Region {
  readonly start: number;
  readonly end: number;
}

function span(offset: bigint, length: number): Region {
  return { start: Number(offset), end: Number(offset) + length };
}

function requireApart(
  regions: ReadonlyArray<Region & { readonly what: string }>,
  file: ImageFile,
  clusterSize: number,
  invalid: (why: string) => Failure,
): void {
  const used = regions.filter((region) => region.end > region.start);
  for (const region of used) {
    if (region.start % clusterSize !== 0) throw invalid(`its ${region.what} is not aligned`);
    if (region.start >= file.length && region.what !== "header") {
      throw invalid(`its ${region.what} lies beyond the end of the file; it may be truncated`);
    }
  }
  const sorted = used.toSorted((a, b) => a.start - b.start);
  sorted.forEach((region, index) => {
    const before = sorted[index - 1];
    if (before !== undefined && before.end > region.start) {
      throw invalid(`its ${before.what} and its ${region.what} overlap`);
    }
  });
}

function readExtensions(
  first: Buffer,
  headerLength: number,
  invalid: (why: string) => Failure,
): Map<number, Buffer> {
  const extensions = new Map<number, Buffer>();
  let at = headerLength;
  while (at + 8 <= first.length) {
    const type = first.readUInt32BE(at);
    const length = first.readUInt32BE(at + 4);
    if (type === HeaderExtension.End) break;
    if (at + 8 + length > first.length) throw invalid("a header extension runs out of the header");
    extensions.set(type, first.subarray(at + 8, at + 8 + length));
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return extensions;
}

function readBacking(
  first: Buffer,
  extensions: ReadonlyMap<number, Buffer>,
  invalid: (why: string) => Failure,
): BackingReference | null {
  const offset = Number(first.readBigUInt64BE(8));
  const length = first.readUInt32BE(16);
  if (offset === 0 || length === 0) return null;
  if (length > 1023 || offset + length > first.length) {
    throw invalid("its backing file's name lies outside of the header");
  }
  const format = extensions.get(HeaderExtension.BackingFormat);
  return {
    name: first.toString("utf8", offset, offset + length),
    format: format === undefined ? null : format.toString("latin1"),
  };
}
