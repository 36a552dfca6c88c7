/** The flags of the control plane's programs. */
import type { KeyPair } from "./keys.ts";

export interface Paths {
  folder: string;
  /** The API server's own. */
  address: string;
  etcdSocket: string;
  /** The authority's certificate. */
  authority: string;
  serving: KeyPair;
  /** With which the API server asks a kubelet for logs. */
  kubeletClient: KeyPair;
  controllers: KeyPair;
  /** Signs the tokens of service accounts. */
  tokenKey: string;
  tokens: string;
  auditPolicy: string;
  auditLog: string;
}

/** Who did what, and how it ended; never what was in it. */
export const auditPolicy = {
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived"],
  rules: [{ level: "Metadata" }],
};

/** Each stands for a fact that a test may rely on. */
const fewControllers = [
  "job-controller",
  "ttl-after-finished-controller",
  "garbage-collector-controller",
  "namespace-controller",
  "resourcequota-controller",
  "pod-garbage-collector-controller",
  // A namespace's service accounts, their tokens, and the authority's certificate beside them:
  // without them no pod is admitted.
  "serviceaccount-controller",
  "serviceaccount-token-controller",
  "root-ca-certificate-publisher-controller",
  // Claims are bound, lost and kept while a pod uses them as anywhere; nothing provisions volumes.
  "persistentvolume-binder-controller",
  "persistentvolumeclaim-protection-controller",
  "persistentvolume-protection-controller",
];

export function etcdArguments({ folder, etcdSocket }: Paths): string[] {
  return [
    `--data-dir=${folder}/etcd`,
    `--listen-client-urls=unix://${etcdSocket}`,
    // Neither is ever called, but both must be given, and not be a socket's.
    "--advertise-client-urls=http://127.0.0.1:0",
    "--listen-peer-urls=http://127.0.0.1:0",
    // A power failure ends the tests too.
    "--unsafe-no-fsync",
    "--log-level=warn",
  ];
}

export function apiServerArguments(paths: Paths, port: number): string[] {
  const { address, etcdSocket, authority, serving, kubeletClient, tokenKey, tokens } = paths;
  return [
    `--etcd-servers=unix://${etcdSocket}`,
    `--bind-address=${address}`,
    `--advertise-address=${address}`,
    `--secure-port=${port}`,
    "--service-cluster-ip-range=10.0.0.0/24",
    // The endpoint of the service kubernetes, which pods call, cannot be on the loopback device.
    `--endpoint-reconciler-type=${address === "127.0.0.1" ? "none" : "lease"}`,
    `--tls-cert-file=${serving.certificate}`,
    `--tls-private-key-file=${serving.key}`,
    `--client-ca-file=${authority}`,
    `--token-auth-file=${tokens}`,
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    "--allow-privileged=true",
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${tokenKey}`,
    `--service-account-signing-key-file=${tokenKey}`,
    `--kubelet-certificate-authority=${authority}`,
    `--kubelet-client-certificate=${kubeletClient.certificate}`,
    `--kubelet-client-key=${kubeletClient.key}`,
    "--kubelet-preferred-address-types=InternalIP",
    `--audit-policy-file=${paths.auditPolicy}`,
    `--audit-log-path=${paths.auditLog}`,
    // A test reads what its request has written as soon as it is answered.
    "--audit-log-mode=blocking-strict",
    // In MiB: it stays one file.
    "--audit-log-maxsize=100000",
    // Else it waits for a minute when it ends, for watches that never do.
    "--shutdown-send-retry-after=true",
  ];
}

/** @param controllers which ones run, in place of the few that there are without nodes. */
export function controllerManagerArguments(
  paths: Paths,
  kubeconfig: string,
  controllers: readonly string[] = fewControllers,
): string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    `--controllers=${controllers.join(",")}`,
    "--use-service-account-credentials=true",
    `--service-account-private-key-file=${paths.tokenKey}`,
    `--root-ca-file=${paths.authority}`,
    "--leader-elect=false",
    // Nobody asks for its metrics.
    "--secure-port=0",
    "--kube-api-qps=500",
    "--kube-api-burst=1000",
    "--concurrent-job-syncs=20",
    "--resource-quota-sync-period=5s",
    "--namespace-sync-period=10s",
    "--pvclaimbinder-sync-period=2s",
  ];
}
