/** The control plane that the running test shares with all others. */
import { afterAll, inject, onTestFinished } from "vitest";
import type { Namespace, ServiceAccount } from "kubernetes-types/core/v1.d.ts";
import { Client } from "./client.ts";
import { adminOf, kubeconfigFor, type Access } from "./control-plane.ts";
import { eventually } from "./eventually.ts";

/** How to reach it. */
export function cluster(): Access {
  return inject("cluster");
}

/** The path of a kubeconfig file for the bearer of a token, or for `admin`. */
export function kubeconfig(token: string): string {
  const access = cluster();
  return kubeconfigFor(access, token === "admin" ? access.adminToken : token);
}

/** A client that may do everything, for the tests of one file. */
export function adminClient(): Client {
  const client = adminOf(cluster());
  afterAll(async () => client.close());
  return client;
}

/** A client that may do what the bearer of a token may, for the running test. */
export function clientWith(token: string): Client {
  const { server, caPem } = cluster();
  const client = new Client({ server, caPem, token });
  onTestFinished(async () => client.close());
  return client;
}

/**
 * A new namespace for the running test, in which pods can be made; it is deleted afterwards,
 * without waiting for it.
 * @param labels such as those of Pod Security.
 */
export async function namespace(
  admin: Client,
  labels: Record<string, string> = {},
): Promise<string> {
  const { metadata } = await admin.create<Namespace>({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { generateName: "test-", labels },
  });
  const name = metadata?.name ?? "";
  onTestFinished(async () => admin.delete(`/api/v1/namespaces/${name}`));
  await eventually(async () => admin.find(`/api/v1/namespaces/${name}/serviceaccounts/default`));
  return name;
}

/** Makes a service account without any permission, and returns a token of it. */
export async function serviceAccount(admin: Client, space: string, name: string): Promise<string> {
  await admin.create<ServiceAccount>({
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name, namespace: space },
  });
  return tokenOf(admin, space, name);
}

/** A token of a service account that there is. */
export async function tokenOf(admin: Client, space: string, name: string): Promise<string> {
  const path = `/api/v1/namespaces/${space}/serviceaccounts/${name}/token`;
  const { status } = await admin.post<{ status: { token: string } }>(path, { spec: {} });
  return status.token;
}
