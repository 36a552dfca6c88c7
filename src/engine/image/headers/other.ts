/**
 * What the headers of the formats other than qcow2 say about other files. QEMU itself refuses
 * VDI and VHDX images with a parent, and its Parallels driver reads no other file.
 */
import { Failure } from "../../../report/reasons.ts";
import { quote } from "../../text.ts";
import type { ImageFile } from "../file.ts";
import { readAt } from "../format.ts";
import type { BackingReference } from "./qcow2.ts";

/** QED: docs/interop/qed_spec.txt in QEMU's source tree; all fields little-endian. */
export function readQedBacking(file: ImageFile, role: string): BackingReference | null {
  const header = readAt(file.fd, 0, 64);
  if (header.length < 64 || header.toString("latin1", 0, 4) !== "QED\0") {
    throw new Failure("ImageInvalid", `${role} ${quote(file.path)} has no QED header.`);
  }
  const features = header.readBigUInt64LE(16);
  if ((features & 1n) === 0n) return null;
  const offset = header.readUInt32LE(56);
  const length = header.readUInt32LE(60);
  if (length > 1023) {
    throw new Failure("ImageInvalid", `${role} ${quote(file.path)} has a damaged QED header.`);
  }
  // Feature 4: the backing file is raw and must not be probed. QED has no word for other formats.
  return {
    name: readAt(file.fd, offset, length).toString("utf8"),
    format: (features & 4n) === 0n ? "detect" : "raw",
  };
}

/**
 * VMDK (block/vmdk.c in QEMU's source tree): an image may be a text that names other files, or
 * carry such a text inside; only one that holds its own data and has no parent is read.
 * @throws Failure ImageRefused or ImageInvalid.
 */
export function requireLoneVmdk(file: ImageFile, role: string): void {
  const name = `${role} ${quote(file.path)}`;
  const header = readAt(file.fd, 0, 80);
  const magic = header.toString("latin1", 0, 4);
  if (header.length < 80 || (magic !== "KDMV" && magic !== "COWD")) {
    throw new Failure(
      magic === "# Di" ? "ImageRefused" : "ImageInvalid",
      `${name} is not a VMDK image that holds its own data (monolithicSparse or ` +
        "streamOptimized); convert it with 'qemu-img convert' first.",
    );
  }
  // With a capacity of 0 QEMU takes the extents from the embedded text instead.
  if (magic === "KDMV" && header.readBigUInt64LE(12) === 0n) {
    throw new Failure("ImageRefused", `${name} takes its data from other files.`);
  }
  const descriptor = readAt(file.fd, 512, 20 * 512).toString("latin1");
  const parent = /^\s*parentCID\s*=\s*([0-9a-f]+)/im.exec(descriptor)?.[1];
  if (
    /parentFileNameHint/i.test(descriptor) ||
    (parent ?? "ffffffff").toLowerCase() !== "ffffffff"
  ) {
    throw new Failure(
      "ImageRefused",
      `${name} is a VMDK snapshot with a parent file, which is never followed; ` +
        "convert it with 'qemu-img convert' first.",
    );
  }
}

/** VHD: the footer's disk type must be fixed (2) or dynamic (3); 4 means that a parent is needed. */
export function requireLoneVpc(file: ImageFile, role: string): void {
  const name = `${role} ${quote(file.path)}`;
  const isFooter = (block: Buffer): boolean => block.toString("latin1", 0, 8) === "conectix";
  const footer = [0, Math.max(0, file.length - 512)]
    .map((offset) => readAt(file.fd, offset, 512))
    .find((block) => block.length === 512 && isFooter(block));
  if (footer === undefined) {
    throw new Failure("ImageInvalid", `${name} has no VHD footer; it may be truncated.`);
  }
  const type = footer.readUInt32BE(60);
  if (type !== 2 && type !== 3) {
    throw new Failure(
      "ImageRefused",
      `${name} is a VHD image of type ${type}; only fixed and dynamic ones are read.`,
    );
  }
}

/** Parallels: what is missing of the table behind the header would read as empty. */
export function requireWholeParallels(file: ImageFile, role: string): void {
  const header = readAt(file.fd, 0, 64);
  const entries = header.length < 64 ? 0 : header.readUInt32LE(32);
  if (header.length === 64 && file.length >= 64 + entries * 4) return;
  throw new Failure(
    "ImageInvalid",
    `${role} ${quote(file.path)} is no whole Parallels image: it ends within its header.`,
  );
}
