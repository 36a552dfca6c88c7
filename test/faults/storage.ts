/** Storage below an image that fails or hangs when told to: nbdkit, mounted as a file by nbdfuse. */
import { mkdirSync, existsSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { run, startCommand } from "../support/command.ts";
import { testFolder } from "../support/folder.ts";
import { kill, until } from "./scene.ts";

export interface Storage {
  /** The file that stands for the image. */
  readonly path: string;
  /** Every request from now on waits until it resumes. */
  readonly pause: () => Promise<void>;
  readonly resume: () => Promise<void>;
}

export interface StorageOptions {
  /** Reads of bytes [start, end) fail with EIO. */
  unreadable?: { start: number; end: number };
  /** Writes fail with EIO once this file exists. */
  failsToWriteIf?: string;
}

/** Serves the image of that path as another file for the running test. */
export async function storage(image: string, options: StorageOptions = {}): Promise<Storage> {
  const folder = testFolder();
  const socket = join(folder, "nbd");
  const control = join(folder, "control");
  const mount = join(folder, "mount");
  const path = join(mount, "image");
  mkdirSync(mount);

  const server = startCommand("nbdkit", [
    ...["--foreground", "--exit-with-parent", "--unix", socket],
    ...["--filter=pause", "--filter=error"],
    ...plugin(image, options),
    `pause-control=${control}`,
    ...(options.failsToWriteIf === undefined
      ? []
      : ["error-pwrite=EIO", "error-pwrite-rate=100%", `error-file=${options.failsToWriteIf}`]),
  ]);
  // Without its server nothing below the mount can hang any more.
  onTestFinished(async () => {
    kill(server.child.pid ?? 0, "SIGKILL");
    await run("umount", ["--lazy", mount]);
    await Promise.all([server.ended, fuse.ended]);
  });
  await until(() => existsSync(socket), "nbdkit listens");
  const fuse = startCommand("nbdfuse", [path, `nbd+unix:///?socket=${socket}`]);
  await until(() => existsSync(path), "nbdfuse has mounted");
  return {
    path,
    pause: async () => command(control, "p", "P"),
    resume: async () => command(control, "r", "R"),
  };
}

function plugin(image: string, { unreadable }: StorageOptions): string[] {
  if (unreadable === undefined) return ["file", image];
  const { start, end } = unreadable;
  const touches = `[ $4 -lt ${end} ] && [ $(($4 + $3)) -gt ${start} ]`;
  const read = `dd if='${image}' iflag=skip_bytes,count_bytes skip=$4 count=$3 bs=64k status=none`;
  return [
    "eval",
    `get_size=stat -c %s '${image}'`,
    `pread=if ${touches}; then echo EIO bad sectors >&2; exit 1; fi; ${read}`,
  ];
}

/** The pause filter's protocol: one letter there, one back (nbdkit-pause-filter(1)). */
async function command(control: string, letter: string, answer: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect(control, () => socket.write(letter));
    socket.on("error", reject).on("data", (data) => {
      socket.destroy();
      if (data.toString().startsWith(answer)) resolve();
      else reject(new Error(`nbdkit answered ${data.toString()}`));
    });
  });
}
