/**
 * Control groups of the tests' own, below which the kubelets put those of pods: in every hierarchy
 * of version 1, or in the one of version 2.
 */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { eventually } from "../cluster/eventually.ts";

/**
 * What a kubelet demands of its group, as far as the machine has it: pkg/kubelet/cm,
 * cgroup_v2_manager_linux.go.
 */
const needed = new Set(["cpu", "cpuset", "memory", "hugetlb", "pids"]);

/** Where the hierarchies are mounted. */
function hierarchies(): string[] {
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  return mounts
    .map((line) => line.split(" "))
    .filter(([, target, type]) => {
      const isOne = type === "cgroup" || type === "cgroup2";
      return isOne && target?.startsWith("/sys/fs/cgroup") === true;
    })
    .map(([, target = ""]) => target);
}

/**
 * Makes one in every hierarchy.
 * @param name from the root; the group above it must be there.
 */
export function makeCgroup(name: string): void {
  const roots = hierarchies();
  if (roots.length === 0) throw new Error("there are no control groups at /sys/fs/cgroup");
  for (const root of roots) {
    const group = join(root, name);
    const parent = dirname(group);
    const version2 = existsSync(join(root, "cgroup.subtree_control"));
    if (version2) delegate(parent);
    mkdirSync(group);
    if (version2) delegate(group);
    else inheritCpus(parent, group);
  }
}

/**
 * In version 2, the children of a group have those controllers only that it passes on:
 * docs.kernel.org/admin-guide/cgroup-v2.html, "Controlling Controllers". What the machine's own
 * root passes on since then it keeps passing on: by the end, others may count on it, too.
 */
function delegate(group: string): void {
  const words = (file: string): string[] =>
    readFileSync(join(group, file), "utf8")
      .split(/\s+/)
      .filter((word) => word !== "");
  const passed = words("cgroup.subtree_control");
  const missing = words("cgroup.controllers").filter(
    (controller) => needed.has(controller) && !passed.includes(controller),
  );
  if (missing.length === 0) return;
  const order = missing.map((controller) => `+${controller}`).join(" ");
  try {
    writeFileSync(join(group, "cgroup.subtree_control"), order);
  } catch (why) {
    throw new Error(
      `${group} cannot pass on ${missing.join(", ")}: in a container, all its processes must be ` +
        "in control groups below that of the container",
      { cause: why },
    );
  }
}

/** In version 1, no process may be in a cpuset that has no processors yet. */
function inheritCpus(parent: string, group: string): void {
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    const path = join(parent, file);
    if (existsSync(path)) writeFileSync(join(group, file), readFileSync(path));
  }
}

/** The paths of one, in every hierarchy in which there is one. */
export function existingCgroups(name: string): string[] {
  return hierarchies()
    .map((root) => join(root, name))
    .filter((group) => existsSync(group));
}

/** Removes one, with all below it, once no process is in them any more. */
export async function removeCgroup(name: string): Promise<void> {
  for (const group of existingCgroups(name)) {
    await eventually(() => {
      removeTree(group);
      return true;
    });
  }
}

/** The files in them cannot be removed, and need not be. */
function removeTree(group: string): void {
  if (!existsSync(group)) return;
  for (const entry of readdirSync(group, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(group, entry.name));
  }
  rmdirSync(group);
}
