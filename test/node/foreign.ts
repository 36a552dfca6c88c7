/** A cluster that `KUBECONFIG` names, as the tests see it. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binaries } from "../cluster/binaries.ts";
import { must } from "../support/command.ts";
import type { Cluster } from "./setup.ts";

interface Config {
  clusters: Array<{
    cluster: { server: string; "certificate-authority-data"?: string };
  }>;
}

const account = "imagediff-e2e";

/** What the tests are to the cluster: it goes with them. */
const rights = [
  { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: account, namespace: "default" } },
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: account },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
    subjects: [{ kind: "ServiceAccount", name: account, namespace: "default" }],
  },
];

/**
 * Makes the tests known to it. kubectl understands all ways in which a file may say who its user
 * is; from then on a token is all that it takes.
 */
export async function foreignCluster(): Promise<Cluster> {
  const { kubectl } = await binaries("kubectl");
  const flags = ["config", "view", "--raw", "--minify", "--flatten", "--output=json"];
  const { clusters } = JSON.parse(await must(kubectl, flags)) as Config;
  const { server = "", "certificate-authority-data": authority } = clusters[0]?.cluster ?? {};
  if (authority === undefined) {
    throw new Error("The file that KUBECONFIG names must say which authority the server has");
  }
  const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: rights });
  await must(kubectl, ["apply", "--filename=-"], { input });
  const token = ["create", "token", account, "--namespace=default", "--duration=8h"];
  const adminToken = (await must(kubectl, token)).trim();
  const folder = mkdtempSync(join(tmpdir(), "imagediff-foreign-"));
  mkdirSync(join(folder, "keys"));
  return {
    access: {
      server,
      caPem: Buffer.from(authority, "base64").toString(),
      adminToken,
      // Only whoever runs the server could read it.
      auditLog: "",
      folder,
    },
    nodes: [],
    async end() {
      await must(kubectl, ["delete", "--filename=-", "--wait=false"], { input });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
