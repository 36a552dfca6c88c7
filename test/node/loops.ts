/** Loop devices: who shows the bytes of a folder's files, and how they are given back. */
import { statSync } from "node:fs";
import { basename, join, sep } from "node:path";
import { eventually } from "../cluster/eventually.ts";
import { must, run } from "../support/command.ts";

interface Loop {
  name: string;
  "back-file": string;
  "back-ino": number;
  "back-maj:min": string;
}

async function allLoops(): Promise<Loop[]> {
  const columns = "NAME,BACK-FILE,BACK-INO,BACK-MAJ:MIN";
  const json = await must("losetup", ["--list", "--json", "--output", columns]);
  // It says nothing at all when there are none.
  return json.trim() === "" ? [] : (JSON.parse(json) as { loopdevices: Loop[] }).loopdevices;
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
export async function loopsOf(folder: string, devices = "/dev"): Promise<string[]> {
  const all = await allLoops();
  const ours = all
    .filter((loop) => loop["back-file"].startsWith(folder + sep))
    .map(({ name }) => name);
  for (const name of ours) {
    const identity = identityOf(join(devices, basename(name)));
    const above = all.filter((loop) => `${loop["back-ino"]} ${loop["back-maj:min"]}` === identity);
    // They are looked at in turn.
    for (const one of above) if (!ours.includes(one.name)) ours.push(one.name);
  }
  return ours.toReversed();
}

/** Makes one for a file, and returns its path. */
export async function makeLoop(file: string): Promise<string> {
  return (await must("losetup", ["--find", "--show", file])).trim();
}

/** Gives back those of a folder's files, and resolves when none is left. */
export async function releaseLoops(folder: string, devices?: string): Promise<void> {
  await eventually(async () => {
    const left = await loopsOf(folder, devices);
    for (const name of left) {
      // One whose file system has just been unmounted goes by itself meanwhile.
      await run("losetup", ["--detach", name]);
    }
    return left.length === 0;
  });
}
