/** A small image for tests of the cluster itself: Debian's busybox, and no more. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must } from "../support/command.ts";
import { loadImage } from "./cluster.ts";
import { imageFromFolder } from "./image.ts";

/** Its name; pods may not ask a registry for it. */
export const busyboxImage = "imagediff.test/busybox:1";

/** Makes pods able to use it. */
export async function loadBusybox(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "imagediff-busybox-"));
  try {
    const files = join(folder, "files");
    for (const name of ["bin", "tmp"]) mkdirSync(join(files, name), { recursive: true });
    cpSync("/bin/busybox", join(files, "bin", "busybox"));
    const names = (await must("/bin/busybox", ["--list"])).trim().split("\n");
    for (const name of names.filter((each) => each !== "busybox")) {
      symlinkSync("busybox", join(files, "bin", name));
    }
    const archive = join(folder, "busybox.tar");
    await imageFromFolder(files, busyboxImage, { Env: ["PATH=/bin"], Cmd: ["sh"] }, archive);
    await loadImage(archive);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
