/** From an earlier version to this one and away again: what users have made is never lost. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { parse, stringify } from "yaml";
import type { Deployment } from "kubernetes-types/apps/v1.d.ts";
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { ImageDiff } from "../../src/api/resource.ts";
import { API_VERSION, KIND } from "../../src/api/resource.ts";
import type { Client, KubeObject } from "../cluster/client.ts";
import { adminOf, startControlPlane, type ControlPlane } from "../cluster/control-plane.ts";
import { eventually } from "../cluster/eventually.ts";
import { jobManifest, podOf } from "../cluster/jobs.ts";
import { chart, helm, mustHelm } from "./helm.ts";

const home = "imagediff-system";
const definition =
  "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/imagediffs.imagediff.io";
const deployment = `/apis/apps/v1/namespaces/${home}/deployments/imagediff-controller`;

let plane: ControlPlane;
let admin: Client;
let folder: string;

// A control plane of its own: the others' tests need the definition as it is now.
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), `imagediff-cluster-${process.pid}-`));
  plane = await startControlPlane(folder);
  admin = adminOf(plane);
});
afterAll(async () => {
  await admin.close();
  await plane.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Definition extends KubeObject {
  spec: {
    versions: Array<{
      additionalPrinterColumns: Array<{ name: string }>;
      schema: { openAPIV3Schema: { properties: { status: { properties: object } } } };
    }>;
  };
}

/** This chart as it might have been before: without a column, and without a field of the status. */
function earlierChart(): string {
  const earlier = join(folder, "earlier");
  cpSync(chart, earlier, { recursive: true });
  const about = parse(readFileSync(join(earlier, "Chart.yaml"), "utf8")) as object;
  const version = { version: "0.0.9", appVersion: "0.0.9" };
  writeFileSync(join(earlier, "Chart.yaml"), stringify({ ...about, ...version }));
  const file = join(earlier, "files/crd.generated.yaml");
  const crd = parse(readFileSync(file, "utf8")) as Definition;
  for (const each of crd.spec.versions) {
    each.additionalPrinterColumns.pop();
    delete (statusFields(each) as { readStrategyReason?: unknown }).readStrategyReason;
  }
  writeFileSync(file, stringify(crd));
  return earlier;
}

function statusFields({ schema }: Definition["spec"]["versions"][number]): object {
  return schema.openAPIV3Schema.properties.status.properties;
}

async function release(command: string, ...args: string[]): Promise<string> {
  return mustHelm([command, "imagediff", ...args, "--namespace", home], plane.kubeconfig("admin"));
}

async function fieldsAndColumns(): Promise<{ fields: string[]; columns: string[] }> {
  const [version] = (await admin.get<Definition>(definition)).spec.versions;
  if (version === undefined) throw new Error("the definition has no version");
  return {
    fields: Object.keys(statusFields(version)),
    columns: version.additionalPrinterColumns.map(({ name }) => name),
  };
}

/** What must be the same whatever happens to the release. */
async function belongings(): Promise<object> {
  const imageDiff = await admin.get<ImageDiff>(imageDiffPath);
  const jobs = await admin.list<Job>("/apis/batch/v1/namespaces/vms/jobs");
  const pods = await admin.list<KubeObject>("/api/v1/namespaces/vms/pods");
  const told = ({ metadata }: KubeObject): object => ({
    name: metadata?.name,
    uid: metadata?.uid,
    generation: metadata?.generation,
    deletionTimestamp: metadata?.deletionTimestamp,
  });
  return { spec: imageDiff.spec, all: [imageDiff as KubeObject, ...jobs, ...pods].map(told) };
}

const imageDiffPath = `/apis/${API_VERSION}/namespaces/vms/imagediffs/web-01`;

/** An ImageDiff, with a Job whose pod has been made. */
async function makeWork(): Promise<void> {
  await admin.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "vms" } });
  await eventually(async () => admin.find("/api/v1/namespaces/vms/serviceaccounts/default"));
  const imageDiff = {
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: { name: "web-01", namespace: "vms" },
    spec: {
      base: { claimName: "golden" },
      modified: { claimName: "root" },
      output: { claimName: "thin" },
    },
  };
  // The API server takes it a moment after it was told of the definition.
  const { metadata } = await eventually(async () => admin.create<KubeObject>(imageDiff));
  const job = jobManifest("vms", "imagediff-web-01");
  const { uid = "" } = metadata ?? {};
  const owner = { apiVersion: API_VERSION, kind: KIND, name: "web-01", uid, controller: true };
  job.metadata = { ...job.metadata, ownerReferences: [owner] };
  await podOf(admin, await admin.create(job));
}

/** However a test ends, the next one starts without a release. */
beforeEach(() => {
  onTestFinished(async () => {
    await release("uninstall", "--ignore-not-found", "--wait");
  });
});

test("install, upgrade, roll back, uninstall and install again", async () => {
  await release("install", earlierChart(), "--create-namespace");
  await eventually(async () => (await admin.find(definition)) !== undefined);
  const before = await fieldsAndColumns();
  expect(before.fields).not.toContain("readStrategyReason");
  await makeWork();
  const work = await belongings();

  await release("upgrade", chart);
  const after = await fieldsAndColumns();
  expect(after.fields).toContain("readStrategyReason");
  expect(after.columns).toHaveLength(before.columns.length + 1);
  expect(await belongings()).toEqual(work);
  const image = await controllerImage();
  expect(image).toMatch(/^imagediff-controller:/);
  expect(image).not.toBe("imagediff-controller:0.0.9");
  // What the new field is for can be stored.
  await eventually(async () => {
    const status = { readStrategyReason: "Because." };
    await admin.patch(imageDiffPath, { status }, { subresource: "status" });
    expect(await admin.get(imageDiffPath)).toMatchObject({ status });
    return true;
  });

  await release("rollback", "1");
  expect(await controllerImage()).toBe("imagediff-controller:0.0.9");
  expect(await belongings()).toEqual(work);
  await release("rollback", "2");
  expect((await fieldsAndColumns()).fields).toContain("readStrategyReason");

  await release("uninstall", "--wait");
  expect(await admin.find(deployment)).toBeUndefined();
  const roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
  expect(await admin.find(`${roles}/imagediff-controller`)).toBeUndefined();
  expect(await fieldsAndColumns()).toEqual(after);
  expect(await belongings()).toEqual(work);

  const notes = await release("install", chart);
  expect(notes).toContain(
    "kubectl -n imagediff-system rollout status deployment/imagediff-controller",
  );
  expect(await belongings()).toEqual(work);

  // Only where somebody wants it, the definition goes, and takes the ImageDiffs along.
  await release("upgrade", chart, "--set", "crds.keep=false");
  await release("uninstall", "--wait");
  await eventually(async () => (await admin.find(definition)) === undefined);
  expect(await admin.find(imageDiffPath)).toBeUndefined();
});

async function controllerImage(): Promise<string | undefined> {
  const { spec } = await admin.get<Deployment>(deployment);
  return spec?.template.spec?.containers[0]?.image;
}

test("what the notes tell to apply is an ImageDiff that the API server takes", async () => {
  const notes = await release("install", chart, "--create-namespace");
  const [, manifest = ""] = /<<'END'\n(.*?)\n *END\n/s.exec(notes) ?? [];
  const object = parse(manifest) as KubeObject;
  // Where nothing has this name yet.
  const space = "notes";
  await admin.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: space } });
  const query = { dryRun: "All", fieldValidation: "Strict" };
  const applied = await eventually(async () =>
    admin.apply({ ...object, metadata: { ...object.metadata, namespace: space } }, { query }),
  );
  expect(applied).toMatchObject({ kind: KIND, spec: { output: { claimName: "thin-images" } } });
});

test("a definition that somebody else has installed is not taken away from them", async () => {
  await admin.delete(definition);
  await eventually(async () => (await admin.find(definition)) === undefined);
  const theirs = parse(readFileSync(join(chart, "files/crd.generated.yaml"), "utf8")) as KubeObject;
  await admin.apply(theirs, { manager: "somebody" });
  await admin.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: home } });
  const refused = await helm(
    ["install", "imagediff", chart, "--namespace", home],
    plane.kubeconfig("admin"),
  );
  expect(refused.exitCode).not.toBe(0);
  expect(refused.stderr).toContain("cannot be imported into the current release");

  await release("install", chart, "--set", "crds.install=false");
  await release("uninstall");
  expect(await admin.find(definition)).toBeDefined();
});
