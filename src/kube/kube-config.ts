/** How to reach the cluster, found where every Kubernetes tool looks for it. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";

/** Where Kubernetes puts the token of a pod's service account. */
const POD_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/**
 * The named file; else `$KUBECONFIG`, the pod's own service account, or `~/.kube/config`.
 * @returns the configuration, and the namespace that it names (`default` if none).
 * @throws Error if there is none, or if it cannot be read or understood.
 */
export function loadKubeConfig(file?: string): { config: KubeConfig; namespace: string } {
  const config = new KubeConfig();
  if (file !== undefined) config.loadFromFile(file);
  // It may name several files, which are merged.
  else if ((process.env["KUBECONFIG"] ?? "") !== "") config.loadFromDefault();
  else if (existsSync(POD_TOKEN)) config.loadFromCluster();
  else config.loadFromFile(ownConfig());
  if (config.getCurrentCluster() === null) throw new Error("it names no current cluster");
  const namespace = config.getContextObject(config.getCurrentContext())?.namespace ?? "default";
  return { config, namespace };
}

function ownConfig(): string {
  const path = join(homedir(), ".kube", "config");
  if (existsSync(path)) return path;
  throw new Error(`there is neither $KUBECONFIG, nor a pod's service account, nor ${path}`);
}
