/**
 * An image as QEMU's programs are told of it: a block graph that names every file explicitly,
 * each by an inherited descriptor. QEMU so opens nothing on an image's own word, and no name,
 * however odd, can be misread (docs/interop/qemu-storage-daemon and the json: pseudo-protocol).
 */
import { filesOf, type Image } from "./image.ts";

export interface BlockGraph {
  /** The file name argument for qemu-img and qemu-nbd. */
  readonly name: string;
  /** The descriptors that the program must inherit, from 3 on in this order. */
  readonly fds: readonly number[];
}

/** The first descriptor after standard input, output and error. */
export const FIRST_INHERITED_FD = 3;

/**
 * @param chain false to leave the backing file out: for programs that look at metadata alone.
 */
export function blockGraph(image: Image, chain = true): BlockGraph {
  const top: Image = chain ? image : { ...image, backing: null };
  const fds = filesOf(top).map((file) => file.fd);
  return { name: `json:${JSON.stringify(blockNode(top, FIRST_INHERITED_FD))}`, fds };
}

/** @param fd the number under which the program gets the first of the image's descriptors. */
export function blockNode(image: Image, fd: number): object {
  const driver = image.file.isBlockDevice ? "host_device" : "file";
  const file = { driver, filename: `/dev/fd/${fd}` };
  if (image.format === "raw") return { driver: "raw", file };
  const backing = image.backing === null ? null : blockNode(image.backing, fd + 1);
  return { driver: image.format, file, backing };
}
