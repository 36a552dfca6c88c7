/** Compresses single clusters as QEMU's qcow2 driver can read them. */
import { deflateRawSync, zstdCompressSync } from "node:zlib";

/**
 * The compressed cluster; null where that would not be smaller. QEMU inflates with a window of
 * 2^12 bytes (docs/interop/qcow2, "Compressed clusters"; block/qcow2-threads.c), so a larger
 * one must not be used here.
 */
export function compressCluster(cluster: Buffer, type: "zlib" | "zstd"): Buffer | null {
  const compressed =
    type === "zlib"
      ? deflateRawSync(cluster, { windowBits: 12, memLevel: 9 })
      : zstdCompressSync(cluster);
  return compressed.length < cluster.length ? compressed : null;
}
