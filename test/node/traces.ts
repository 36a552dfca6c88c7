/** What a cluster of our own is to the machine that it runs on, and what of it is there. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { must } from "../support/command.ts";
import { existingCgroups } from "./cgroups.ts";
import { cgroupOf, volumesFolder } from "./leftovers.ts";
import { allLoops, loopName, loopsOf } from "./loops.ts";
import { machineSettings } from "./kubelet.ts";
import type { SiteDescription } from "./site.ts";

/** What programs of a node make on an ordinary machine. */
const folders = [
  ...["/etc/cni", "/etc/containerd", "/etc/kubernetes", "/etc/nri", "/opt/cni", "/opt/containerd"],
  ...["/run/containerd", "/run/netns", "/run/nri", "/usr/libexec/kubernetes"],
  ...["/var/lib/cni", "/var/lib/containerd", "/var/lib/kubelet", "/var/lib/kubelet/pods"],
  ...["/var/log/containers", "/var/log/pods"],
];

/** What must be the same before, while and after there is a cluster. */
export async function machine(): Promise<object> {
  const settings = [...machineSettings, "net/ipv4/ip_forward", "net/netfilter/nf_conntrack_max"];
  return {
    settings: settings.map((name) => `${name} ${readSetting(name)}`),
    folders: folders.filter((path) => existsSync(path)),
    rules: await must("nft", ["list", "ruleset"]),
  };
}

function readSetting(name: string): string {
  const path = `/proc/sys/${name}`;
  return existsSync(path) ? readFileSync(path, "utf8").trim() : "";
}

/** What is there of one cluster. */
export interface Traces {
  /** Process numbers and names. */
  processes: string[];
  mounts: string[];
  loops: string[];
  cgroups: string[];
  links: string[];
  folders: string[];
}

export const noTraces: Traces = {
  ...{ processes: [], mounts: [], loops: [] },
  ...{ cgroups: [], links: [], folders: [] },
};

/**
 * @param owner the process that has started the cluster.
 * @param before what was found while that was there: processes and devices by whose numbers they
 * are still known.
 */
export async function traces(
  { folder, network }: SiteDescription,
  owner: number,
  before?: Traces,
): Promise<Traces> {
  const processes = before === undefined ? descendants(owner) : all().map(nameOf);
  const loops = before === undefined ? await loopsOf(volumesFolder(folder)) : await allLoops();
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  return {
    processes: processes.filter((each) => before?.processes.includes(each) ?? true),
    mounts: mounts.filter((line) => line.includes(folder)),
    loops: loops.map(loopName).filter((each) => before?.loops.includes(each) ?? true),
    cgroups: existingCgroups(cgroupOf(folder)),
    links: readdirSync("/sys/class/net").filter((name) => name === network.link),
    folders: [folder].filter((path) => existsSync(path)),
  };
}

interface Process {
  pid: number;
  parent: number;
  name: string;
  started: string;
}

function all(): Process[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        // proc_pid_stat(5): the name may have spaces and parentheses in it.
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
        const rest = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        const [state = "", parent = "", started = ""] = [rest[0], rest[1], rest[19]];
        return /[ZX]/.test(state)
          ? []
          : [{ pid: Number(pid), parent: Number(parent), name, started }];
      } catch {
        return [];
      }
    });
}

/** Two processes never share one, even if they share a number. */
function nameOf({ pid, name, started }: Process): string {
  return `${pid} ${name} ${started}`;
}

function descendants(owner: number): string[] {
  const processes = all();
  const found = processes.filter(({ pid }) => pid === owner);
  // They are looked at in turn.
  for (const { pid } of found) found.push(...processes.filter(({ parent }) => parent === pid));
  return found.map(nameOf);
}
