/** How a node's kubelet and kube-proxy are set up. */
import type { KeyPair } from "../cluster/keys.ts";
import { containerdSocket } from "./containerd.ts";

/**
 * What the kubelet sets for the whole machine when it starts, below /proc/sys: pkg/kubelet/cm,
 * setupKernelTunables. A node has files in their places, so that the machine keeps its own.
 */
export const machineSettings = [
  ...["vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"],
  ...["kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"],
];

export function kubeletConfig(node: {
  address: string;
  /** From the root of every hierarchy. */
  cgroup: string;
  /** A file like resolv.conf. */
  names: string;
  authority: string;
  serving: KeyPair;
}): object {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: node.address,
    readOnlyPort: 0,
    tlsCertFile: node.serving.certificate,
    tlsPrivateKeyFile: node.serving.key,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: false },
      x509: { clientCAFile: node.authority },
    },
    // Only the API server has a certificate of the authority and a reason to call.
    authorization: { mode: "AlwaysAllow" },
    containerRuntimeEndpoint: `unix://${containerdSocket}`,
    cgroupDriver: "cgroupfs",
    cgroupRoot: node.cgroup,
    failCgroupV1: false,
    failSwapOn: false,
    makeIPTablesUtilChains: false,
    resolvConf: node.names,
    // It would make the folder elsewhere.
    volumePluginDir: "/var/lib/kubelet/volume-plugins",
    // A machine with little left on its disk is no concern of these tests.
    evictionHard: {
      "memory.available": "0%",
      "nodefs.available": "0%",
      "nodefs.inodesFree": "0%",
      "imagefs.available": "0%",
      "imagefs.inodesFree": "0%",
    },
    // Images come from the tests, and only once.
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    enforceNodeAllocatable: ["none"],
    // To raise it takes a capability that root of a container may lack.
    oomScoreAdj: 0,
  };
}

export function proxyConfig(node: {
  name: string;
  address: string;
  kubeconfig: string;
  pods: string;
}): object {
  return {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    mode: "nftables",
    clientConnection: { kubeconfig: node.kubeconfig },
    hostnameOverride: node.name,
    clusterCIDR: node.pods,
    // Else a pod's answer to its neighbour takes the short way across their bridge, and is not
    // recognised as the service's.
    nftables: { masqueradeAll: true, minSyncPeriod: "100ms" },
    // What it would set for the whole machine stays as it is.
    conntrack: {
      ...{ maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
      ...{ udpTimeout: "0s", udpStreamTimeout: "0s" },
    },
    oomScoreAdj: 0,
    healthzBindAddress: `${node.address}:${proxyHealthPort}`,
  };
}

/** Where a kube-proxy tells whether it knows all services. */
export const proxyHealthPort = 10_256;
