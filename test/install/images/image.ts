/** One of the product's images: what it says of itself, and its files in a folder. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { projectFile } from "../../../scripts/docs.ts";
import { must } from "../../support/command.ts";

/** `config` of an image, as OCI's image-spec has it. */
export interface ImageConfig {
  architecture: string;
  config: {
    User: string;
    Env: string[];
    Entrypoint: string[];
    Labels: Record<string, string>;
  };
}

interface Descriptor {
  digest: string;
  size: number;
}

export interface Image {
  config: ImageConfig;
  /** The folder with its files. */
  root: string;
  /** Bytes of its layers, compressed. */
  size: number;
  /** The bill of materials that lies beside the archive. */
  bill: string;
}

const architecture = process.arch === "x64" ? "amd64" : process.arch;

/** Unpacks what `npm run images` has made. */
export async function imageOf(target: string, folder: string): Promise<Image> {
  const archive = projectFile(`dist/images/imagediff-${target}-${architecture}.tar`);
  if (!existsSync(archive)) throw new Error(`${archive} is not there: run "npm run images" first`);
  const read = async ({ digest }: Descriptor): Promise<string> =>
    must("tar", ["-xOf", archive, `blobs/${digest.replace(":", "/")}`]);
  const index = JSON.parse(await must("tar", ["-xOf", archive, "index.json"])) as {
    manifests: [Descriptor];
  };
  const manifest = JSON.parse(await read(index.manifests[0])) as {
    config: Descriptor;
    layers: Descriptor[];
  };
  const root = join(folder, target);
  mkdirSync(root);
  for (const { digest } of manifest.layers) {
    const unpack = 'tar -xOf "$0" "$1" | tar -xz -C "$2"';
    await must("sh", ["-c", unpack, archive, `blobs/${digest.replace(":", "/")}`, root]);
  }
  return {
    config: JSON.parse(await read(manifest.config)) as ImageConfig,
    root,
    size: manifest.layers.reduce((sum, { size }) => sum + size, 0),
    bill: readFileSync(archive.replace(/tar$/, "cdx.json"), "utf8"),
  };
}
