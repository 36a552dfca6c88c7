/** Makes opened images readable for worker threads: by their files, or by servers for them. */
import { fdatasyncSync, fstatSync, statfsSync } from "node:fs";
import { Failure } from "../../report/reasons.ts";
import type { ReadStrategy } from "../../report/schema.ts";
import { extendedFlags, physicalExtents, seekData } from "../system/libc.ts";
import { quote } from "../text.ts";
import { requireSound, virtualSizeOf } from "./check.ts";
import { MAX_DECLARED_SIZE } from "./headers/qcow2.ts";
import { isSameFile } from "./file.ts";
import { filesOf, type Image } from "./image.ts";
import type { Source } from "./reader.ts";
import { serveImage, type ImageServer } from "./server.ts";

export interface ReadableImage {
  readonly image: Image;
  /** Size in bytes of the disk that a guest sees: a multiple of 512. */
  readonly virtualSize: number;
  readonly server: ImageServer | null;
}

export interface PrepareOptions {
  readonly workers: number;
  readonly stallSeconds: number;
  readonly signal: AbortSignal;
}

/**
 * @throws Failure ImageInvalid, ImageRefused, ReaderStalled or ToolMissing.
 */
export async function prepareImage(image: Image, options: PrepareOptions): Promise<ReadableImage> {
  if (image.format === "raw") {
    return { image, virtualSize: await virtualSizeOf(image, options), server: null };
  }
  const server = serveImage(image, { ...options, connections: options.workers });
  try {
    // All three at once: whichever fails first is heard, and none goes unheard.
    const [virtualSize, started] = await Promise.all([
      virtualSizeOf(image, options),
      server,
      requireSound(image, options),
    ]);
    if (virtualSize > MAX_DECLARED_SIZE) {
      throw new Failure(
        "ImageRefused",
        `${quote(image.file.path)} claims a disk of ${virtualSize} bytes; at most ${MAX_DECLARED_SIZE} are read.`,
      );
    }
    return { image, virtualSize, server: started };
  } catch (error) {
    server.then((late) => late.close()).catch(() => undefined);
    throw error;
  }
}

export function closeReadable(readable: ReadableImage): void {
  readable.server?.close();
}

export interface Strategy {
  readonly name: ReadStrategy;
  /** Why this one, in a sentence. */
  readonly reason: string;
}

/** Filesystems whose FIEMAP offsets name one place on storage: statfs(2)'s f_type. */
const REFLINK_FILESYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x58465342, "XFS"],
  [0x9123683e, "Btrfs"],
]);
const XFLAG_REALTIME = 1;

/** Decides what of two images need not be read. */
export function chooseStrategy(base: Image, modified: Image, trustHoles: boolean): Strategy {
  if (!trustHoles) return { name: "FullScan", reason: "Holes were not to be trusted." };
  const sharing = sharedStorage(base, modified);
  if (sharing !== undefined) return { name: "SharedExtents", reason: sharing };
  const blind = [base, modified].filter((image) => !tellsHoles(image));
  if (blind.length === 2) {
    return { name: "FullScan", reason: "Neither image can tell its holes: block devices cannot." };
  }
  const names = blind.map(
    (image) => `${quote(image.file.path)} cannot tell its holes and was read whole; `,
  );
  const holes = names.length === 0 ? "Holes" : "holes";
  return {
    name: "SparseScan",
    reason: `${names.join("")}${holes} and known zeroes were not read.`,
  };
}

/** Whether extents that both files share can be told, and why; undefined where they cannot. */
function sharedStorage(base: Image, modified: Image): string | undefined {
  if ([base, modified].some(({ format, file }) => format !== "raw" || file.isBlockDevice))
    return undefined;
  const [a, b] = [base.file, modified.file];
  if (fstatSync(a.fd).dev !== fstatSync(b.fd).dev) return undefined;
  const filesystem = REFLINK_FILESYSTEMS.get(statfsSync(`/proc/self/fd/${a.fd}`).type);
  if (filesystem === undefined) return undefined;
  try {
    // Offsets on XFS's realtime device and on its main one must not be compared.
    if (extendedFlags(a.fd) % 2 === XFLAG_REALTIME || extendedFlags(b.fd) % 2 === XFLAG_REALTIME)
      return undefined;
    for (const file of [a, b]) {
      // A copy-on-write still in the page cache would show the old, shared extent.
      fdatasyncSync(file.fd);
      physicalExtents(file.fd, 0, 1);
    }
  } catch {
    // A filesystem without these calls has no shared extents to tell of.
    return undefined;
  }
  return `Both images are files on one ${filesystem}; extents that they share there, and holes, were not read.`;
}

function tellsHoles(image: Image): boolean {
  return (
    image.format !== "raw" ||
    (!image.file.isBlockDevice && seekData(image.file.fd, 0) !== undefined)
  );
}

/** @param length bytes of the disk that count. */
export function sourceOf(readable: ReadableImage, strategy: Strategy, length: number): Source {
  const { image, server, virtualSize } = readable;
  const name = image.file.path;
  if (server !== null) {
    const sparse = strategy.name !== "FullScan" || image.file.isBlockDevice;
    return {
      kind: "nbd",
      socket: server.socket,
      name,
      sparse,
      length: Math.min(virtualSize, length),
      extents: "data",
    };
  }
  return {
    kind: "raw",
    fd: image.file.fd,
    name,
    length: Math.min(image.file.length, length),
    sparse: strategy.name !== "FullScan" && tellsHoles(image),
    shared: strategy.name === "SharedExtents",
  };
}

/** Bytes of storage that an image and its backing chain take, but for what the base needs too. */
export function ownAllocatedBytes(image: Image, base: Image): number {
  const needed = filesOf(base);
  return filesOf(image)
    .filter((file) => !needed.some(({ opened }) => isSameFile(opened, file.opened)))
    .reduce((sum, file) => sum + file.allocatedBytes, 0);
}
