/** Images of containers, made from a folder's files without any builder. */
import { createHash } from "node:crypto";
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { must } from "../support/command.ts";

/** Such as Entrypoint, Env and User: the `config` of github.com/opencontainers/image-spec/blob/main/config.md. */
export interface ImageConfig {
  Entrypoint?: string[];
  Cmd?: string[];
  Env?: string[];
  User?: string;
  WorkingDir?: string;
}

interface Blob {
  mediaType: string;
  digest: string;
  size: number;
}

/**
 * Writes an image with one layer, all of whose files belong to root, into an archive as of
 * github.com/opencontainers/image-spec/blob/main/image-layout.md. The same files make the same
 * archive.
 * @param name of the image, registry and tag included.
 * @param archive the file to be written.
 */
export async function imageFromFolder(
  folder: string,
  name: string,
  config: ImageConfig,
  archive: string,
): Promise<void> {
  const layout = mkdtempSync(join(dirname(archive), "image-"));
  try {
    mkdirSync(join(layout, "blobs", "sha256"), { recursive: true });
    const layer = await addFolder(layout, folder);
    const image = addJson(layout, "application/vnd.oci.image.config.v1+json", {
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      os: "linux",
      config,
      rootfs: { type: "layers", diff_ids: [layer.digest] },
    });
    const manifest = addJson(layout, "application/vnd.oci.image.manifest.v1+json", {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: image,
      layers: [layer],
    });
    // The one is containerd's, whose names are complete; the other is everybody's.
    const annotations = {
      "io.containerd.image.name": name,
      "org.opencontainers.image.ref.name": name,
    };
    writeJson(join(layout, "index.json"), {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: [{ ...manifest, annotations }],
    });
    writeJson(join(layout, "oci-layout"), { imageLayoutVersion: "1.0.0" });
    await tar(layout, archive);
  } finally {
    rmSync(layout, { recursive: true, force: true });
  }
}

/** The same bytes, whoever makes it and whenever. */
async function tar(folder: string, archive: string): Promise<void> {
  const same = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"];
  await must("tar", ["--create", "--file", archive, ...same, "--directory", folder, "."]);
}

async function addFolder(layout: string, folder: string): Promise<Blob> {
  const unnamed = join(layout, "layer.tar");
  await tar(folder, unnamed);
  const hash = createHash("sha256");
  let size = 0;
  await pipeline(createReadStream(unnamed), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) {
      hash.update(chunk);
      size += chunk.length;
    }
  });
  const hex = hash.digest("hex");
  renameSync(unnamed, join(layout, "blobs", "sha256", hex));
  const mediaType = "application/vnd.oci.image.layer.v1.tar";
  return { mediaType, digest: `sha256:${hex}`, size };
}

function addJson(layout: string, mediaType: string, value: unknown): Blob {
  const bytes = Buffer.from(JSON.stringify(value));
  const hex = createHash("sha256").update(bytes).digest("hex");
  writeFileSync(join(layout, "blobs", "sha256", hex), bytes);
  return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(path, JSON.stringify(value));
}
