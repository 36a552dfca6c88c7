/** The last look before a Job is made: what a list says, and what was heard while it was read. */
import { expect, test } from "vitest";
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { PersistentVolumeClaim, Pod } from "kubernetes-types/core/v1.d.ts";
import type { ImageDiff } from "../../../src/api/resource.ts";
import type { Client } from "../../../src/kube/client.ts";
import { silent } from "../../../src/kube/log.ts";
import { Store } from "../../../src/kube/store.ts";
import type { Caches } from "../../../src/operator/observe/caches.ts";
import { imageDiffIndexes, jobIndexes, podIndexes } from "../../../src/operator/observe/indexes.ts";
import { ENGINE_LABELS } from "../../../src/operator/plan/labels.ts";
import { Observer } from "../../../src/operator/observe/observe.ts";
import { Places } from "../../../src/operator/observe/places.ts";
import { Claims, Pods, type StoredImageDiff } from "../../../src/operator/resources.ts";
import { jobFor, observed, podOf, settings } from "../plan/builders.ts";

const { resource } = observed();
const { namespace = "" } = resource.metadata;

function pod(name: string, resourceVersion: string): Pod {
  const claimName = resource.spec.modified.claimName;
  return {
    metadata: { name, namespace, uid: name, resourceVersion },
    spec: { containers: [], volumes: [{ name: "v", persistentVolumeClaim: { claimName } }] },
    status: { phase: "Running" },
  };
}

interface World {
  /** What a list says, as of moment 100. */
  listed?: Pod[];
  /** What the caches hear of while the answer is on its way. */
  heard?: { pods?: Pod[]; jobs?: Job[] };
  stored?: ImageDiff;
  /** Claims, of which the caches know nothing. */
  claims?: PersistentVolumeClaim[];
}

async function live({ listed = [], heard = {}, stored = resource, claims = [] }: World) {
  const caches = {
    imageDiffs: new Store<StoredImageDiff>(imageDiffIndexes),
    jobs: new Store<Job>(jobIndexes),
    pods: new Store<Pod>(podIndexes),
    claims: new Store({}),
    volumes: new Store({}),
    storageClasses: new Store({}),
  };
  const client = {
    withTimeout: () => client,
    list: async (type: unknown, { fieldSelector = "" }) => {
      const named = (name = "") => fieldSelector === `metadata.name=${name}`;
      if (type === Claims) return { items: claims.filter((each) => named(each.metadata?.name)) };
      caches.pods.replaceAll(heard.pods ?? []);
      caches.jobs.replaceAll(heard.jobs ?? []);
      return { items: type === Pods ? listed : [stored], resourceVersion: "100" };
    },
  };
  const observer = new Observer({
    client: client as unknown as Client,
    caches: caches as unknown as Caches,
    places: new Places(caches.jobs, caches.pods),
    settings,
    log: silent,
  });
  return observer.observeLive(resource);
}

async function users(world: World) {
  return (await live(world)).users.map(({ pod: { metadata } }) => metadata?.name);
}

test("a pod that came after the list was read counts; one that had gone by then does not", async () => {
  const listed = [pod("a", "90")];
  const pods = [pod("a", "90"), pod("gone", "80"), pod("new", "101")];
  expect(await users({ listed, heard: { pods } })).toEqual(["a", "new"]);
});

test("a pod is one user, however new the cache's version of it is", async () => {
  expect(await users({ listed: [pod("a", "90")], heard: { pods: [pod("a", "110")] } })).toEqual([
    "a",
  ]);
});

test("no Job is made of a resource that has changed since", async () => {
  const { metadata } = resource;
  const changed = { ...resource, metadata: { ...metadata, resourceVersion: "other" } };
  await expect(live({ stored: changed })).rejects.toThrow("has changed");
});

test("a Job that has ended meanwhile is judged by its pods as they are, not as the cache has them", async () => {
  const done = { type: "Complete", status: "True" };
  const job = jobFor(observed(), { status: { conditions: [done] } });
  const listed = [podOf(job, { metadata: { name: "engine" }, status: { phase: "Succeeded" } })];
  const { pods } = await live({ listed, heard: { jobs: [job] } });
  expect(pods.map(({ metadata }) => metadata?.name)).toEqual(["engine"]);
});

test("claims are those of this moment: one may have been made anew as another kind", async () => {
  const claim = { metadata: { name: "golden" }, spec: { volumeMode: "Block" } };
  const { claims } = await live({ claims: [claim] });
  expect([...claims.keys()]).toEqual(["golden", "web-01-root", "thin-images"]);
  expect(claims.get("golden")?.claim).toEqual(claim);
  expect(claims.get("thin-images")).toEqual({});
});

test("a pod with an engine's labels that writes to two claims is no engine", async () => {
  const names = [resource.spec.base.claimName, resource.spec.modified.claimName];
  const volumes = names.map((claimName) => ({
    name: claimName,
    persistentVolumeClaim: { claimName },
  }));
  const volumeMounts = names.map((name) => ({ name, mountPath: `/${name}` }));
  const [writer, reader] = [volumeMounts, volumeMounts.map((each) => ({ ...each, readOnly: true }))]
    .map((mounts) => ({ containers: [{ name: "engine", volumeMounts: mounts }], volumes }))
    .map((spec, index): Pod => {
      const metadata = { name: `p${index}`, namespace, uid: `u${index}`, labels: ENGINE_LABELS };
      return { metadata, spec, status: { phase: "Running" } };
    });
  const { users: found } = await live({ listed: [writer ?? {}, reader ?? {}] });
  expect(found.map(({ engine }) => engine !== undefined)).toEqual([false, true]);
});
