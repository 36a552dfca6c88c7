/**
 * QED output: QEMU's own driver copies what the finished qcow2 overlay holds, and only that,
 * into a QED image over the same base.
 */
import { blockGraph, blockNode, FIRST_INHERITED_FD } from "../image/graph.ts";
import type { Image } from "../image/image.ts";
import type { Listener } from "../request.ts";
import { convert, inheritedName, writeByTool } from "./convert.ts";
import type { BackingRecord } from "./header.ts";

export interface QedRequest {
  /** The qcow2 overlay over `base`. */
  readonly overlay: Image;
  readonly base: Image;
  readonly backing: BackingRecord;
  /** Bytes. */
  readonly clusterSize: number;
  /** Bytes of the disk. */
  readonly virtualSize: number;
  /** The file to make it in, open for reading and writing. */
  readonly fd: number;
}

/** @throws Failure NoSpace or OutputWriteFailed. */
export async function makeQed(request: QedRequest, listener: Listener): Promise<void> {
  const { overlay, base, backing, clusterSize, virtualSize, fd } = request;
  // -u: the base is not opened by the name that is recorded for it.
  const create = ["create", "-q", "-u", "-f", "qed", "-b", backing.name, "-F", backing.format];
  const size = ["-o", `cluster_size=${clusterSize}`, inheritedName(0), String(virtualSize)];
  await writeByTool([...create, ...size], [fd], listener);

  const source = blockGraph(overlay);
  const target = {
    driver: "qed",
    file: { driver: "file", filename: inheritedName(source.fds.length) },
    // The base's descriptors follow the overlay's own, and serve source and target alike.
    backing: blockNode(base, FIRST_INHERITED_FD + 1),
  };
  const onlyOwn = ["-n", "-O", "qed", "-B", inheritedName(1), "-F", backing.format];
  await convert(
    {
      phase: "Converting",
      virtualSize,
      fds: [...source.fds, fd],
      arguments: [...onlyOwn, source.name, `json:${JSON.stringify(target)}`],
    },
    listener,
  );
}
