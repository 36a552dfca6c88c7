/** The scheduler of our own cluster. */
import { join } from "node:path";
import { binaries } from "../cluster/binaries.ts";
import type { Access } from "../cluster/control-plane.ts";
import { Daemon } from "../cluster/daemon.ts";
import { Authority } from "../cluster/keys.ts";
import { writeKubeconfig } from "../cluster/kubeconfig.ts";

/** Starts one, which places pods as soon as there are nodes. */
export async function startScheduler({ folder, server, caPem }: Access): Promise<Daemon> {
  const { "kube-scheduler": program } = await binaries("kube-scheduler");
  const keys = await Authority.at(join(folder, "keys")).sign("scheduler", "system:kube-scheduler");
  const path = join(folder, "keys", "scheduler.kubeconfig");
  const args = [
    `--kubeconfig=${writeKubeconfig(path, server, caPem, keys)}`,
    "--leader-elect=false",
    // Nobody asks for its metrics.
    "--secure-port=0",
  ];
  return new Daemon("kube-scheduler", program, args, join(folder, "logs", "kube-scheduler.log"));
}
