/** Reads an image's archive (OCI image layout) as far as its builder has to know it. */
import { must } from "./buildah.ts";
import { spawnSync } from "node:child_process";

interface Descriptor {
  digest: string;
  size: number;
}

export interface ArchiveFacts {
  /** Bytes of its layers as they are transferred and stored. */
  compressed: number;
  /** Bytes of the layers' tar archives. */
  unpacked: number;
  /** The only file of this path. */
  file: (path: string) => string;
}

export function readArchive(archive: string): ArchiveFacts {
  const blob = ({ digest }: Descriptor): string =>
    must("tar", ["-xOf", archive, `blobs/${digest.replace(":", "/")}`]);
  const index = JSON.parse(must("tar", ["-xOf", archive, "index.json"])) as {
    manifests: Descriptor[];
  };
  const [described] = index.manifests;
  if (described === undefined) throw new Error(`${archive} holds no image`);
  const { layers } = JSON.parse(blob(described)) as { layers: Descriptor[] };
  const inLayers = (command: string): string =>
    layers
      .map(({ digest }) => {
        const script = `tar -xOf "$0" "$1" | gzip -dc | ${command}`;
        const name = `blobs/${digest.replace(":", "/")}`;
        return spawnSync("sh", ["-c", script, archive, name], {
          encoding: "utf8",
          maxBuffer: 1 << 26,
        }).stdout;
      })
      .join("\n");
  return {
    compressed: layers.reduce((sum, { size }) => sum + size, 0),
    unpacked: inLayers("wc -c")
      .split("\n")
      .reduce((sum, line) => sum + Number(line), 0),
    file: (path) => inLayers(`tar -xO ${path} 2>/dev/null`),
  };
}
