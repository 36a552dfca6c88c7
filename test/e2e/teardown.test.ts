/** A cluster of our own ends with whoever has started it, and takes everything along. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { adminOf } from "../cluster/control-plane.ts";
import { eventually } from "../cluster/eventually.ts";
import { ownNodes } from "../node/cluster.ts";
import { loadBusybox } from "../node/images.ts";
import { sweep } from "../node/leftovers.ts";
import { Node } from "../node/node.ts";
import { podManifest, running } from "../node/pods.ts";
import type { OwnCluster } from "../node/setup.ts";
import { machine, noTraces, traces, type Traces } from "../node/traces.ts";
import { blockVolume, folderVolume } from "../node/volumes.ts";
import { startCommand } from "../support/command.ts";

const setup = fileURLToPath(new URL("../node/setup.ts", import.meta.url));

interface Started extends OwnCluster {
  /** Of the process that has started it, and that of its supervisor. */
  owner: number;
  supervisor: number;
}

/** In a process of its own, which can be killed. */
async function startCluster(): Promise<Started> {
  const script = `
    const { ownCluster } = await import(${JSON.stringify(setup)});
    const cluster = await ownCluster(1);
    process.once("SIGTERM", () => cluster.end().then(() => process.exit()));
    console.log(JSON.stringify(cluster));
  `;
  const { child, ended } = startCommand(process.execPath, ["--input-type=module", "-e", script]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const started = new Promise<string>((resolve) => {
    let text = "";
    child.stdout?.on("data", (more: string) => {
      text += more;
      if (text.endsWith("\n")) resolve(text);
    });
  });
  const said = await Promise.race([started, ended]);
  if (typeof said !== "string") throw new Error(said.stderr);
  const cluster = JSON.parse(said) as OwnCluster;
  const supervisor = Number(/-(\d+)-[^-]*$/.exec(cluster.site.folder)?.[1]);
  return { ...cluster, owner: child.pid ?? 0, supervisor };
}

/** A pod that uses whatever leaves something behind, and runs. */
async function usePod({ access, nodes }: Started): Promise<void> {
  const admin = adminOf(access);
  const its = { namespace: "default", nodes: nodes.map((each) => new Node(each)), kept: true };
  try {
    await loadBusybox(async (archive) => {
      for (const each of its.nodes) await each.loadImage(archive);
    });
    await blockVolume(admin, { ...its, name: "disk" });
    await folderVolume(admin, { ...its, name: "files", filesystem: "ext4" });
    const claims = [{ name: "disk", mode: "Block" }, { name: "files" }] as const;
    const options = { script: "exec sleep 12345", claims };
    await running(admin, await admin.create(podManifest("default", "stays", options)));
  } finally {
    await admin.close();
  }
}

const ends: Record<string, (cluster: Started) => void | Promise<void>> = {
  "asked to": ({ owner }) => void process.kill(owner, "SIGTERM"),
  killed: ({ owner }) => void process.kill(owner, "SIGKILL"),
  "killed with its supervisor, once the next run begins": async ({ owner, supervisor, site }) => {
    process.kill(supervisor, "SIGKILL");
    process.kill(owner, "SIGKILL");
    await eventually(async () => {
      await sweep();
      // It leaves alone what somebody may still be busy with.
      return !existsSync(site.folder);
    });
  },
};

test.runIf(ownNodes).each(Object.entries(ends))(
  "on our own nodes: nothing is left of a cluster that ends because it is %s",
  async (_, end) => {
    const before = await machine();
    const cluster = await startCluster();
    await usePod(cluster);
    const found = await traces(cluster.site, cluster.owner);
    expectAll(found);
    expect(await machine()).toEqual(before);

    await end(cluster);

    await eventually(async () => {
      expect(await traces(cluster.site, cluster.owner, found)).toEqual(noTraces);
      return true;
    });
    expect(await machine()).toEqual(before);
  },
);

/** What is looked for afterwards must have been there. */
function expectAll({ processes, loops, cgroups, links, folders }: Traces): void {
  const names = processes.map((each) => each.split(" ")[1]);
  expect(names).toEqual(
    expect.arrayContaining(["etcd", "containerd", "kubelet", "kube-proxy", "pause", "sleep"]),
  );
  // The device, the kubelet's on top of it, and that of the file system.
  expect(loops).toHaveLength(3);
  expect(cgroups.length).toBeGreaterThan(0);
  expect([links.length, folders.length]).toEqual([1, 1]);
}
