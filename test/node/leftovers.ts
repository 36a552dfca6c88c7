/**
 * What a site leaves that does not end with its processes, and how all of it is removed: after
 * every run, however it ended, and before the next, should a run and its supervisor both have been
 * killed.
 */
import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { removeCgroup } from "./cgroups.ts";
import { releaseLoops } from "./loops.ts";
import { removeLink } from "./network.ts";

/** How the name of a site's folder begins; its supervisor's process number follows. */
export const sitePrefix = "imagediff-e2e-";

/** The name of a site's control groups. */
export function cgroupOf(folder: string): string {
  return basename(folder);
}

/** The folder with the files behind a site's loop devices. */
export function volumesFolder(folder: string): string {
  return join(folder, "volumes");
}

/** The file with the name of the link to a site's network. */
export function linkFile(folder: string): string {
  return join(folder, "link");
}

/**
 * Removes them once the site's processes have ended.
 * @throws AggregateError of all that could not be removed; the rest is gone.
 */
export async function removeLeftovers(folder: string): Promise<void> {
  const failures: unknown[] = [];
  const steps = [
    async () => {
      if (existsSync(linkFile(folder))) await removeLink(readFileSync(linkFile(folder), "utf8"));
    },
    async () => releaseLoops(volumesFolder(folder)),
    async () => removeCgroup(cgroupOf(folder)),
  ];
  for (const step of steps) await step().catch((why: unknown) => failures.push(why));
  if (failures.length > 0) {
    throw new AggregateError(failures, `something of ${folder} is left: ${failures.join("; ")}`);
  }
  // Programs of the control plane may be writing their last words into it.
  rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
}

/** Removes what sites have left whose supervisors are dead. */
export async function sweep(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(sitePrefix))) {
    const pid = /^\d+(?=-)/.exec(name.slice(sitePrefix.length))?.[0];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    await removeLeftovers(join(tmpdir(), name));
  }
}
