/**
 * A program that makes a site and takes it down when its standard input ends: when whoever started
 * it asks for that, or is no more. It says on standard output, in a line of JSON, what it has made,
 * and ends with 0 once nothing of it is left.
 *
 *   node supervisor.ts PAUSE
 *
 * All processes of the site are in one process namespace, which the kernel ends with this program:
 * only what is not bound to a process is left to be removed by `leftovers.ts`.
 */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../cluster/eventually.ts";
import { makeCgroup } from "./cgroups.ts";
import { cgroupOf, linkFile, removeLeftovers, sitePrefix } from "./leftovers.ts";
import { hasAllDevices, showAllDevices } from "./loops.ts";
import { makeNamespaces, mustBeside, type Namespaces } from "./namespaces.ts";
import { makeNetwork } from "./network.ts";
import type { SiteDescription } from "./site.ts";

/** The pause program stays the first process of the site's namespaces. */
async function makeSite(folder: string, world: Namespaces): Promise<SiteDescription> {
  if (!hasAllDevices()) await mustBeside(world.pid, ["sh", "-euc", showAllDevices]);
  const network = await makeNetwork(world.pid);
  writeFileSync(linkFile(folder), network.link);
  makeCgroup(cgroupOf(folder));
  return { folder, pid: world.pid, network, cgroup: cgroupOf(folder) };
}

async function takeDown(folder: string, world: Namespaces | undefined): Promise<void> {
  if (world !== undefined) {
    const ended = (): boolean => world.child.exitCode !== null || world.child.signalCode !== null;
    if (!ended()) process.kill(world.pid, "SIGKILL");
    await eventually(ended);
  }
  await removeLeftovers(folder);
}

const [pause = ""] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), `${sitePrefix}${process.pid}-`));
const finished = Promise.withResolvers<undefined>();
process.stdin.on("end", () => finished.resolve(undefined)).resume();
// Those who want it to end close its input; others, such as a terminal, mean the tests.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);

let world: Namespaces | undefined;
try {
  world = await makeNamespaces(pause, folder);
  process.stdout.write(`${JSON.stringify(await makeSite(folder, world))}\n`);
  await finished.promise;
} finally {
  await takeDown(folder, world);
}
