/**
 * Finds or starts the one cluster that the tests of the project `e2e` share: what `KUBECONFIG`
 * names, or a control plane and two nodes of our own.
 */
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { startControlPlane, type Access } from "../cluster/control-plane.ts";
import { foreignCluster } from "./foreign.ts";
import { sweep } from "./leftovers.ts";
import { hostAddress, nodeAddress } from "./network.ts";
import type { NodeDescription } from "./node.ts";
import { numbersOf, startNodes } from "./nodes.ts";
import { nodePrograms } from "./programs.ts";
import { startScheduler } from "./scheduler.ts";
import { startSite, type Site, type SiteDescription } from "./site.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Of our own nodes; none in a cluster that `KUBECONFIG` names. */
    nodes: NodeDescription[];
  }
}

export interface Cluster {
  access: Access;
  nodes: NodeDescription[];
  end: () => Promise<void>;
}

export interface OwnCluster extends Cluster {
  site: SiteDescription;
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const named = process.env["KUBECONFIG"];
  const isNamed = named !== undefined && named !== "";
  const { access, nodes, end } = isNamed ? await foreignCluster() : await ownCluster();
  project.provide("cluster", access);
  project.provide("nodes", nodes);
  return end;
}

/** Starts a whole cluster, which does not outlive this process, however that ends. */
export async function ownCluster(count = 2): Promise<OwnCluster> {
  if (process.getuid?.() !== 0) {
    throw new Error(
      "Nodes of our own can be started by root only: run this as root, or set KUBECONFIG to the " +
        "file that names a cluster",
    );
  }
  const programs = await nodePrograms();
  await sweep();
  const site = await startSite(programs.pause);
  // The nodes end with the site: nothing in them wants to take leave of anybody.
  const running: Array<{ stop: () => Promise<unknown> }> = [{ stop: site.end }];
  const end = async (): Promise<void> => {
    for (const each of running.toReversed()) await each.stop();
  };
  try {
    const plane = await startPlane(site, count);
    running.push(plane);
    const { server, caPem, adminToken, auditLog, folder } = plane;
    const access = { server, caPem, adminToken, auditLog, folder };
    running.push(await startScheduler(access));
    const nodes = await startNodes(access, site, programs, count);
    return { access, site, nodes: nodes.map(({ description }) => description), end };
  } catch (why) {
    await end();
    throw why;
  }
}

async function startPlane(site: Site, count: number): ReturnType<typeof startControlPlane> {
  return startControlPlane(join(site.folder, "control-plane"), {
    address: hostAddress(site.network),
    servers: numbersOf(count).map((number) => nodeAddress(site.network, number)),
    controllers: ["*"],
  });
}
