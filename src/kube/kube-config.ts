/** How to reach the cluster, found where every Kubernetes tool looks for it. */
import { KubeConfig } from "@kubernetes/client-node";

/**
 * The named file; else `$KUBECONFIG`, the pod's own service account, or `~/.kube/config`.
 * @returns the configuration, and the namespace that it names (`default` if none).
 * @throws Error if the file cannot be read or understood.
 */
export function loadKubeConfig(file?: string): { config: KubeConfig; namespace: string } {
  const config = new KubeConfig();
  if (file === undefined) config.loadFromDefault();
  else config.loadFromFile(file);
  const namespace = config.getContextObject(config.getCurrentContext())?.namespace ?? "default";
  return { config, namespace };
}
