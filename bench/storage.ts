/** Storage of a kind: slow by request, or able to share extents. Taken down whatever happens. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeHole } from "./images.ts";
import { runOnce } from "./measure.ts";

/**
 * Gives each file again through a FUSE mount whose every read takes `milliseconds` longer;
 * calls `work` with the names of those.
 */
export async function withDelay(
  files: readonly string[],
  milliseconds: number,
  work: (slow: string[]) => Promise<void> | void,
): Promise<void> {
  const mounted: string[] = [];
  try {
    for (const file of files) {
      const point = `${file}.slow`;
      makeHole(point, 0);
      const server = [
        "nbdkit",
        "-s",
        "--exit-with-parent",
        "--filter=delay",
        "file",
        file,
        `rdelay=${milliseconds}ms`,
      ];
      spawn("nbdfuse", ["-r", point, "--command", ...server], { stdio: "ignore" });
      mounted.push(point);
      // Not a test: the mount says nothing when it is ready.
      while (spawnSync("mountpoint", ["-q", point]).status !== 0) await sleep(10);
    }
    await work(mounted);
  } finally {
    for (const point of mounted) {
      spawnSync("fusermount3", ["-u", point]);
      rmSync(point, { force: true });
    }
  }
}

/** Mounts a new XFS of `size` bytes for `work`; needs root. */
export async function withXfs(
  folder: string,
  size: number,
  work: (mount: string) => Promise<void> | void,
): Promise<void> {
  const image = join(folder, "xfs.img");
  const mount = join(folder, "xfs");
  makeHole(image, size);
  if (!existsSync(mount)) mkdirSync(mount);
  runOnce(["mkfs.xfs", "-q", "-f", "-m", "reflink=1", image]);
  runOnce(["mount", "-o", "loop", image, mount]);
  try {
    await work(mount);
  } finally {
    runOnce(["umount", mount]);
    rmSync(image);
    rmSync(mount, { recursive: true });
  }
}
