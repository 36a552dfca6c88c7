/** Loop devices: which ones show the bytes of a folder's files, and how they are given back. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../cluster/eventually.ts";
import { run } from "../support/command.ts";

export interface Loop {
  name: string;
  "back-file": string;
  "back-ino": number;
  "back-maj:min": string;
}

/** In a container, /dev may be a folder to which no new device comes. */
export function hasAllDevices(): boolean {
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  // The last one hides the others.
  return mounts.findLast((line) => line.split(" ")[1] === "/dev")?.split(" ")[2] === "devtmpfs";
}

/** Mounts the folder with all devices, where it is not. */
export const showAllDevices = "mount --no-mtab -t devtmpfs devtmpfs /dev";

/** Runs a command that finds every device; its standard output. */
async function mustWithDevices(program: string, ...args: string[]): Promise<string> {
  const elsewhere = ["--mount", "sh", "-euc", `${showAllDevices}; exec "$0" "$@"`, program];
  const ended = hasAllDevices()
    ? await run(program, args)
    : await run("unshare", [...elsewhere, ...args]);
  if (ended.exitCode !== 0) throw new Error(`${program} ${args.join(" ")}: ${ended.stderr}`);
  return ended.stdout;
}

/** All that this machine has. */
export async function allLoops(): Promise<Loop[]> {
  const columns = "NAME,BACK-FILE,BACK-INO,BACK-MAJ:MIN";
  const json = await mustWithDevices("losetup", "--list", "--json", "--output", columns);
  // It says nothing at all when there are none, and older versions pad the numbers.
  const { loopdevices: loops } =
    json.trim() === "" ? { loopdevices: [] } : (JSON.parse(json) as { loopdevices: Loop[] });
  return loops.map((loop) => ({ ...loop, "back-maj:min": loop["back-maj:min"].trim() }));
}

/** The identities of files, as losetup shows them; see makedev(3) for the numbers. */
async function identitiesOf(files: readonly string[]): Promise<string[]> {
  if (files.length === 0) return [];
  const lines = await mustWithDevices("stat", "--format=%i %d", ...files);
  return lines
    .trim()
    .split("\n")
    .map((line) => {
      const [inode = 0, where = 0] = line.split(" ").map(Number);
      const major = Math.floor(where / 256) % 4096;
      const minor = (where % 256) + Math.floor(where / 2 ** 20) * 256;
      return `${inode} ${major}:${minor}`;
    });
}

/**
 * The loop devices of the files that are right in a folder, each after those on top of it: a
 * kubelet makes one more for a block device that it gives to a pod, and a killed one does not give
 * it back. What names they have depends on mount namespaces that may be gone; the files themselves
 * do not.
 */
export async function loopsOf(folder: string): Promise<Loop[]> {
  const all = await allLoops();
  const files = existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : [];
  const images = files.filter((file) => file.isFile()).map(({ name }) => join(folder, name));
  const ours = await withBackings(all, images);
  for (const loop of ours) {
    // They are looked at in turn.
    const above = await withBackings(all, [loop.name]);
    ours.push(...above.filter((one) => !ours.includes(one)));
  }
  return ours.toReversed();
}

async function withBackings(loops: readonly Loop[], files: readonly string[]): Promise<Loop[]> {
  const identities = new Set(await identitiesOf(files));
  return loops.filter((loop) => identities.has(backing(loop)));
}

function backing(loop: Loop): string {
  return `${loop["back-ino"]} ${loop["back-maj:min"]}`;
}

/** Which device shows which file: one that shows another by now is another's. */
export function loopName(loop: Loop): string {
  return `${loop.name} ${backing(loop)}`;
}

/** Makes one for a file, and returns its path. */
export async function makeLoop(file: string): Promise<string> {
  return (await mustWithDevices("losetup", "--find", "--show", file)).trim();
}

/** Gives one back; one that is still used goes with its last user, or is gone already. */
export async function releaseLoop(device: string): Promise<void> {
  await mustWithDevices("losetup", "--detach", device).catch(() => undefined);
}

/** Gives back those of a folder's files, which nobody uses any more, and resolves when none is left. */
export async function releaseLoops(folder: string): Promise<void> {
  await eventually(async () => {
    const left = await loopsOf(folder);
    for (const { name } of left) await releaseLoop(name);
    return left.length === 0;
  });
}
