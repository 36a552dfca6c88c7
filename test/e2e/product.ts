/** ImageDiff as its users install it: both images, and the chart with its own defaults. */
import { existsSync, readFileSync } from "node:fs";
import { beforeAll } from "vitest";
import type { Deployment } from "kubernetes-types/apps/v1.d.ts";
import type { Lease } from "kubernetes-types/coordination/v1.d.ts";
import type { Namespace, Pod } from "kubernetes-types/core/v1.d.ts";
import type { Client } from "../cluster/client.ts";
import { adminClient, kubeconfig } from "../cluster/cluster.ts";
import { eventually } from "../cluster/eventually.ts";
import { kubectl, loadImage, ownNodes } from "../node/cluster.ts";
import { chart, helm, mustHelm } from "../install/helm.ts";
import { projectFile } from "../../scripts/docs.ts";

/** Where it is installed, and under which name. */
export const productNamespace = "imagediff-system";
const release = "imagediff";
const here = `--namespace=${productNamespace}`;

const restricted = { "pod-security.kubernetes.io/enforce": "restricted" };
const definition = "customresourcedefinition/imagediffs.imagediff.io";

const { version } = JSON.parse(readFileSync(projectFile("package.json"), "utf8")) as {
  version: string;
};

/** The engine's image as pods of users name it. */
export const engineImage = `imagediff-engine:${version}`;

/**
 * Has the product in the cluster for the tests of a file. In our own cluster it stays for the next
 * file; from one that `KUBECONFIG` names it goes, unless it was there before.
 */
export function product(): void {
  const admin = adminClient();
  beforeAll(async () => install(admin));
}

// Several engines at a time, on a machine with two CPUs that are busy otherwise.
const settings = ["--set=engine.requests.cpu=50m"];
const wait = ["--wait", "--timeout=5m"];

/** Gives the chart's values others than the tests have, as an administrator does. */
export async function upgrade(admin: Client, values: Record<string, string> = {}): Promise<void> {
  const own = Object.entries(values).map(([name, value]) => `--set=${name}=${value}`);
  await mustHelm(["upgrade", release, chart, here, ...settings, ...own, ...wait], config());
  await ready(admin);
}

/** @returns what takes it out again, if that is to happen after the tests of this file. */
async function install(admin: Client): Promise<(() => Promise<void>) | undefined> {
  let undo: (() => Promise<void>) | undefined;
  if ((await helm(["status", release, here], config())).exitCode !== 0) {
    await Promise.all(["controller", "engine"].map(async (name) => loadImage(archiveOf(name))));
    const defined = (await kubectl("get", definition, "--ignore-not-found")) !== "";
    if (!ownNodes) undo = async () => uninstall(defined);
    const space: Namespace = {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: productNamespace, labels: restricted },
    };
    await admin.apply(space);
    await mustHelm(["install", release, chart, here, ...settings, ...wait], config());
  }
  await ready(admin);
  return undo;
}

/** Resolves once both replicas are there, and one of them leads. */
async function ready(admin: Client): Promise<void> {
  await eventually(
    async () => {
      const [deployment] = await admin.list<Deployment>(
        `/apis/apps/v1/namespaces/${productNamespace}/deployments`,
      );
      const pods = await controllerPods(admin);
      const lease = await admin.get<Lease>(
        `/apis/coordination.k8s.io/v1/namespaces/${productNamespace}/leases/imagediff`,
      );
      const names = pods.map(({ metadata }) => metadata?.name ?? "");
      const { holderIdentity: leader = "" } = lease.spec ?? {};
      const { availableReplicas = 0 } = deployment?.status ?? {};
      // A random part follows the pod's name: a container that is restarted is another replica.
      const leads = names.some((name) => leader.startsWith(`${name}_`));
      if (availableReplicas === 2 && leads) return true;
      throw new Error(`${availableReplicas} of ${names.join(", ")} are there; ${leader} leads`);
    },
    { timeoutMs: 120_000 },
  );
}

export async function controllerPods(admin: Client): Promise<Pod[]> {
  return admin.list(`/api/v1/namespaces/${productNamespace}/pods`, {
    labelSelector: "app.kubernetes.io/component=controller",
  });
}

/** The definition goes too, unless it was there before: it takes all ImageDiffs with it. */
async function uninstall(keepDefinition: boolean): Promise<void> {
  await mustHelm(["uninstall", release, here, "--wait"], config());
  await kubectl("delete", "namespace", productNamespace);
  if (!keepDefinition) await kubectl("delete", definition);
}

function config(): string {
  return kubeconfig("admin");
}

function archiveOf(name: string): string {
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  const archive = projectFile(`dist/images/imagediff-${name}-${arch}.tar`);
  if (!existsSync(archive)) throw new Error(`${archive} is not there: run "npm run images" first`);
  return archive;
}
