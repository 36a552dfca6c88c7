/** Compresses single clusters as QEMU's qcow2 driver can read them. */
import { zstdCompressSync } from "node:zlib";
import { Deflater } from "../system/libz.ts";

/**
 * QEMU inflates with a window of 2^12 bytes (docs/interop/qcow2, "Compressed clusters";
 * block/qcow2-threads.c), so a larger one must not be used here.
 */
const WINDOW_BITS = 12;

/** The compressed cluster; null where it would not be smaller. Valid until the next call. */
export type Compress = (cluster: Buffer) => Buffer | null;

export function compressor(type: "zlib" | "zstd", clusterSize: number): Compress {
  if (type === "zlib") {
    const deflater = new Deflater(WINDOW_BITS, clusterSize);
    return (cluster) => deflater.deflate(cluster);
  }
  return (cluster) => {
    const compressed = zstdCompressSync(cluster);
    return compressed.length < cluster.length ? compressed : null;
  };
}
