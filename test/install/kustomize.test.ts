/** What `kubectl apply -k` installs is what Helm does, but for what each tool adds. */
import { expect, test } from "vitest";
import { projectFile } from "../../scripts/docs.ts";
import { binaries } from "../cluster/binaries.ts";
import type { KubeObject } from "../cluster/client.ts";
import { must } from "../support/command.ts";
import { objectsOf, render } from "./helm.ts";

async function kustomized(folder: string): Promise<KubeObject[]> {
  const { kubectl } = await binaries("kubectl");
  return objectsOf(await must(kubectl, ["kustomize", projectFile(folder)]));
}

/** Labels by which Helm knows its releases: on objects, pods and in selectors. */
const ofHelm = new Set([
  "helm.sh/chart",
  "app.kubernetes.io/instance",
  "app.kubernetes.io/managed-by",
  "app.kubernetes.io/version",
]);

/** The objects by their names, without what only one tool needs. */
function comparable(objects: readonly KubeObject[]): Record<string, unknown> {
  const named = objects
    // Helm makes it with --create-namespace.
    .filter(({ kind }) => kind !== "Namespace")
    .map((object): [string, unknown] => {
      const { kind, metadata } = object;
      return [`${kind} ${metadata?.namespace ?? ""}/${metadata?.name}`, without(object)];
    });
  return Object.fromEntries(named.toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

function without(value: unknown): unknown {
  if (Array.isArray(value)) return inOrder(value.map(without));
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value)
    .filter(([name]) => !ofHelm.has(name))
    // Only the definition has any: who is to keep it.
    .filter(([name]) => name !== "annotations")
    .map(([name, field]) => [name, without(field)]);
  return Object.fromEntries(fields);
}

/** Where the order means nothing: of words (verbs, resources) and of variables. */
function inOrder(list: unknown[]): unknown[] {
  if (list.every((each) => typeof each === "string")) return list.toSorted();
  const isVariable = (each: unknown): each is { name: string } =>
    typeof each === "object" && each !== null && "name" in each && !("image" in each);
  if (!list.every(isVariable)) return list;
  return list.toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

test("deploy/base is what the chart makes by default", async () => {
  const base = comparable(await kustomized("deploy/base"));
  expect(Object.keys(base)).toHaveLength(12);
  expect(base).toEqual(comparable(await render({})));
});

test("deploy/namespaced is what the chart makes of one namespace", async () => {
  const overlay = comparable(await kustomized("deploy/namespaced"));
  expect(overlay).toEqual(comparable(await render({ namespaces: ["vms"] })));
});

test("either way the pod's name is known before it is used", async () => {
  const ways = [
    kustomized("deploy/base"),
    kustomized("deploy/namespaced"),
    render({ namespaces: ["vms"] }),
  ];
  for (const objects of await Promise.all(ways)) {
    const text = JSON.stringify(objects.find(({ kind }) => kind === "Deployment"));
    expect(text.indexOf('"name":"POD_NAME"')).toBeGreaterThan(0);
    expect(text.indexOf('"name":"POD_NAME"')).toBeLessThan(text.indexOf("$(POD_NAME)"));
  }
});

test("either way the definition stays when the rest goes", async () => {
  const annotationsOf = (objects: readonly KubeObject[]): unknown =>
    objects.find(({ kind }) => kind === "CustomResourceDefinition")?.metadata?.annotations;
  expect(annotationsOf(await render({}))).toEqual({
    "helm.sh/resource-policy": "keep",
    "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
  });
  expect(annotationsOf(await kustomized("deploy/base"))).toEqual({
    "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
    "kustomize.toolkit.fluxcd.io/prune": "disabled",
  });
});

test("the example of ImageDiffs in git is one that kustomize takes", async () => {
  const [imageDiff] = await kustomized("examples/gitops/imagediffs");
  expect(imageDiff).toMatchObject({ kind: "ImageDiff", metadata: { name: "web-01" } });
});
