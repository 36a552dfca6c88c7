/** Loop devices: who shows the bytes of a folder's files, and how they are given back. */
import { statSync } from "node:fs";
import { basename, join, sep } from "node:path";
import { eventually } from "../cluster/eventually.ts";
import { must, run } from "../support/command.ts";

export interface Loop {
  name: string;
  "back-file": string;
  "back-ino": number;
  "back-maj:min": string;
}

/** All that this machine has. */
export async function allLoops(): Promise<Loop[]> {
  const columns = "NAME,BACK-FILE,BACK-INO,BACK-MAJ:MIN";
  const json = await must("losetup", ["--list", "--json", "--output", columns]);
  // It says nothing at all when there are none, and older versions pad the numbers.
  const { loopdevices: loops } =
    json.trim() === "" ? { loopdevices: [] } : (JSON.parse(json) as { loopdevices: Loop[] });
  return loops.map((loop) => ({ ...loop, "back-maj:min": loop["back-maj:min"].trim() }));
}

/** A file's identity, as losetup shows it; see makedev(3) for the numbers. */
function identityOf(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  const { dev, ino } = found;
  const major = Math.floor(dev / 256) % 4096;
  const minor = (dev % 256) + Math.floor(dev / 2 ** 20) * 256;
  return `${ino} ${major}:${minor}`;
}

/**
 * The loop devices of files in a folder, each after those on top of it: a kubelet makes one more
 * for a block device that it gives to a pod, and a killed one does not give it back. It has the
 * name that the device had in the kubelet's mount namespace, or none if that is gone.
 * @param devices the folder in which the nodes see devices.
 */
export async function loopsOf(folder: string, devices = "/dev"): Promise<Loop[]> {
  const all = await allLoops();
  const ours = all.filter((loop) => loop["back-file"].startsWith(folder + sep));
  for (const { name } of ours) {
    const identity = identityOf(join(devices, basename(name)));
    // They are looked at in turn.
    ours.push(...all.filter((loop) => backing(loop) === identity && !ours.includes(loop)));
  }
  return ours.toReversed();
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
  return (await must("losetup", ["--find", "--show", file])).trim();
}

/**
 * Gives back those of a folder's files, which nobody uses any more, and resolves when none is left.
 * @param known those that were seen when the nodes were still there.
 */
export async function releaseLoops(folder: string, known: readonly Loop[] = []): Promise<void> {
  const names = new Set(known.map(loopName));
  await eventually(async () => {
    const others = (await allLoops()).filter((loop) => names.has(loopName(loop)));
    const left = [...others, ...(await loopsOf(folder))];
    for (const { name } of left) {
      // One whose file system has just been unmounted goes by itself meanwhile.
      await run("losetup", ["--detach", name]);
    }
    return left.length === 0;
  });
}
