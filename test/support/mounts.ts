/** File systems and block devices of one's own, inside a folder; all of them need root. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { must, run } from "./command.ts";
import { makeRaw } from "./raw-image.ts";

const isRoot = process.getuid?.() === 0;

/** Fails in CI, and elsewhere skips loudly, where a test would have to mount something. */
export function requireRoot(context: TestContext): void {
  if (isRoot) return;
  const message = `NOT RUN, as it mounts file systems and so must be run as root: ${context.task.name}`;
  if (process.env["CI"] === "true") throw new Error(message);
  process.stderr.write(`\n${message}\n`);
  context.skip(message);
}

export type Filesystem = "xfs" | "ext4" | "tmpfs";

const makers = {
  xfs: ["mkfs.xfs", "-q", "-m", "reflink=1"],
  ext4: ["mkfs.ext4", "-q", "-F"],
} as const;

/** Mounts a new file system at a new folder; what is mounted is left to `undo`. */
export class Mounts {
  readonly #folder: string;
  #undo: Array<() => Promise<unknown>> = [];

  constructor(folder: string) {
    this.#folder = folder;
  }

  async mount(filesystem: Filesystem, bytes = 512 * 2 ** 20): Promise<string> {
    const target = join(this.#folder, filesystem);
    mkdirSync(target);
    if (filesystem === "tmpfs") {
      await must("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", target]);
    } else {
      const image = `${target}.image`;
      makeRaw(image, bytes);
      const [program, ...args] = makers[filesystem];
      await must(program, [...args, image]);
      await must("mount", ["-o", "loop", image, target]);
    }
    this.#undo.push(async () => must("umount", [target]));
    return target;
  }

  /** A block device that shows a file's bytes. */
  async device(file: string): Promise<string> {
    const device = (await must("losetup", ["--find", "--show", file])).trim();
    this.#undo.push(async () => must("losetup", ["--detach", device]));
    if (!existsSync(device)) await makeNode(device);
    return device;
  }

  /** Takes everything down, the newest first, even where one of them cannot be. */
  async undo(): Promise<void> {
    const failures: unknown[] = [];
    for (const step of this.#undo.toReversed()) await step().catch((why) => failures.push(why));
    this.#undo = [];
    if (failures.length > 0) throw new AggregateError(failures, "something is still mounted");
  }
}

/** Where nobody watches for new devices, as in a container. */
async function makeNode(device: string): Promise<void> {
  const minor = device.replace(/^\D+/, "");
  await run("mknod", [device, "b", "7", minor]);
}
