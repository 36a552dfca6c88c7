/** Small images for tests of the cluster itself, made on the spot. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binaries } from "../cluster/binaries.ts";
import { must } from "../support/command.ts";
import { loadImage } from "./cluster.ts";
import { imageFromFolder, type ImageConfig } from "./image.ts";

type Load = (archive: string) => Promise<void>;

/** Makes an image, whose files are written into the folder that is given, and loads it. */
async function load(
  name: string,
  config: ImageConfig,
  fill: (folder: string) => Promise<void>,
  loadArchive: Load = loadImage,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "imagediff-image-"));
  try {
    const files = join(folder, "files");
    mkdirSync(files);
    await fill(files);
    const archive = join(folder, "archive.tar");
    await imageFromFolder(files, name, config, archive);
    await loadArchive(archive);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Debian's busybox, and no more. Pods may not ask a registry for it. */
export const busyboxImage = "imagediff.test/busybox:1";

/** Makes pods able to use it: those of the cluster that tests share, unless told otherwise. */
export async function loadBusybox(loadArchive?: Load): Promise<void> {
  await load(busyboxImage, { Env: ["PATH=/bin"], Cmd: ["sh"] }, fillBusybox, loadArchive);
}

async function fillBusybox(folder: string): Promise<void> {
  mkdirSync(join(folder, "bin"));
  cpSync("/bin/busybox", join(folder, "bin", "busybox"));
  const names = (await must("/bin/busybox", ["--list"])).trim().split("\n");
  for (const name of names.filter((each) => each !== "busybox")) {
    symlinkSync("busybox", join(folder, "bin", name));
  }
}

/** kubectl, which speaks to the API as any controller does. */
export const kubectlImage = "imagediff.test/kubectl:1";

export async function loadKubectl(): Promise<void> {
  const { kubectl } = await binaries("kubectl");
  await load(kubectlImage, { Entrypoint: ["/kubectl"] }, async (folder) =>
    cpSync(kubectl, join(folder, "kubectl")),
  );
}
