/** How a node's containerd is set up, and the pods' network, which it makes. */
import { join } from "node:path";

export type Snapshotter = "overlayfs" | "native";

export interface RuntimeOptions {
  /**
   * Whether a Block claim belongs to the user and group of the container that it is given to. Else
   * none but root can open it, which is what containerd does unless it is told otherwise:
   * kubernetes.io/blog/2021/11/09/non-root-containers-and-devices.
   */
  deviceOwnership: boolean;
  snapshotter: Snapshotter;
}

/** The name of the image of the container that holds each pod's namespaces. */
export const pauseImage = "imagediff.test/pause:1";

export const containerdSocket = "/run/containerd/containerd.sock";

/** @param plugins the folders of the network's plugins. */
export function containerdConfig(
  { deviceOwnership, snapshotter }: RuntimeOptions,
  networks: string,
  plugins: readonly string[],
): string {
  const runtime = "plugins.'io.containerd.cri.v1.runtime'";
  // A JSON string, and an array of them, is TOML too.
  return `
version = 3
disabled_plugins = [
  # These would make folders in /opt and /etc of this machine.
  "io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri",
  # The kubelet counts by itself.
  "io.containerd.monitor.task.v1.cgroups",
]

[grpc]
address = ${JSON.stringify(containerdSocket)}

[plugins.'io.containerd.cri.v1.images']
snapshotter = ${JSON.stringify(snapshotter)}
pinned_images = { sandbox = ${JSON.stringify(pauseImage)} }

[${runtime}]
# Root of a container may lack the capability to make a process less likely to be killed.
restrict_oom_score_adj = true
device_ownership_from_security_context = ${deviceOwnership}
enable_cdi = false

[${runtime}.cni]
bin_dirs = ${JSON.stringify(plugins)}
conf_dir = ${JSON.stringify(networks)}

[${runtime}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[${runtime}.containerd.runtimes.runc.options]
SystemdCgroup = false
`;
}

/** The file name and the contents of the description of a node's network of pods. */
export function podNetwork(folder: string, subnet: string): { path: string; text: string } {
  const bridge = {
    type: "bridge",
    bridge: "pods",
    isGateway: true,
    ipam: { type: "host-local", ranges: [[{ subnet }]], routes: [{ dst: "0.0.0.0/0" }] },
  };
  const list = { cniVersion: "1.0.0", name: "pods", plugins: [bridge] };
  return { path: join(folder, "pods.conflist"), text: JSON.stringify(list) };
}
