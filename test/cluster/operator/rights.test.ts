/** What the controller is allowed to do is enough for all that it does, and not more. */
import { expect, onTestFinished, test } from "vitest";
import type { ImageDiff } from "../../../src/api/resource.ts";
import { jobName } from "../../../src/operator/plan/labels.ts";
import type { KubeObject } from "../client.ts";
import { AuditTrail } from "../audit.ts";
import { adminClient, cluster } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import { jobManifest } from "../jobs.ts";
import { credentials, kubeconfigOf, requestsOf } from "./account.ts";
import { progressLine, result, succeeds } from "./engine.ts";
import { startReady } from "./process.ts";
import { leadsAfter, Replicas } from "./replicas.ts";
import { forbidden, rightsOf, shippedRoles, usedRights, without, type Rule } from "./scope.ts";
import { stage } from "./stage.ts";
import type { World } from "./world.ts";

const admin = adminClient();
const shipped = shippedRoles();

test("the rights as shipped are all used, and no other is wanted", async () => {
  const here = await stage(admin);
  const trail = new AuditTrail(cluster());
  const replica = await new Replicas(here).start("a");
  await leadsAfter(replica, performance.now());
  await everything(here);
  expect(await replica.controller.stop()).toMatchObject({ code: 0 });

  const requests = requestsOf(trail, replica.who);
  expect(forbidden(requests)).toEqual([]);
  const rights = rightsOf([...shipped.cluster.rules, ...shipped.own.rules]);
  expect(usedRights(requests)).toEqual(rights);
});

test("without one of them it fails, and says so", async () => {
  const here = await stage(admin);
  const account = await accountWith(here, without(shipped.cluster.rules, "create", "jobs"));
  const trail = new AuditTrail(cluster());
  const who = await credentials(admin, account);
  await startReady({ kubeconfig: kubeconfigOf(who), namespaces: [here.space] });
  await here.imageDiff();
  const { conditions } = await here.ready("JobRefused");
  const ready = conditions?.find(({ type }) => type === "Ready");
  expect(ready?.message).toMatch(/cannot create resource "jobs"/);
  expect(forbidden(requestsOf(trail, who))).toEqual([
    expect.stringMatching(/^create .*\/namespaces\/[^/]+\/jobs$/),
  ]);
});

test("in namespaces of its choice it works with the rights of these alone", async () => {
  const here = await stage(admin);
  const there = await stage(admin, here.kubelet);
  const elsewhere = await stage(admin, here.kubelet);
  const account = { namespace: here.space, name: "limited" };
  await admin.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: account });
  const namespaced = shipped.cluster.rules
    .map(({ resources, ...rule }) => ({
      ...rule,
      resources: resources.filter((name) => !/^(persistentvolumes|storageclasses)$/.test(name)),
    }))
    .filter(({ resources }) => resources.length > 0);
  for (const { space } of [here, there]) await grant(space, account, namespaced);
  const who = await credentials(admin, account);
  const controller = await startReady({
    kubeconfig: kubeconfigOf(who),
    // One of them twice: it is watched once.
    namespaces: [here.space, ` ${there.space}`, here.space],
  });
  for (const world of [here, there]) {
    await world.imageDiff();
    await succeeds(await world.place());
    await world.ready("OverlayReady");
  }
  await elsewhere.imageDiff();
  await here.imageDiff("web-02", { base: { claimName: "missing" } });
  await here.ready("ClaimMissing", "web-02");
  expect((await elsewhere.get()).status).toBeUndefined();
  const metrics = await controller.metrics();
  expect(metrics.value("imagediff_relists_total", { kind: "ImageDiff" })).toBe(2);
  const missing = controller.said("Works without these objects").map(({ kind }) => String(kind));
  expect(missing.toSorted()).toEqual(["PersistentVolume", "StorageClass"]);
  expect(controller.lines.filter(({ level }) => level >= 40)).toEqual([]);
});

/** Lives in which everything happens that the controller needs a right for. */
async function everything(here: World): Promise<void> {
  // Said twice: the second time is added to the first.
  await here.user("vm", "root");
  await here.imageDiff();
  await here.ready("SourcesInUse");
  await eventually(async () => (await here.events()).length === 1);
  await here.edit({ suspend: true });
  await here.ready("Suspended");
  await here.edit({ suspend: false });
  await here.ready("SourcesInUse");
  await here.remove("pods", "vm");

  const first = await here.place();
  await first.start();
  first.log().append(progressLine(10));
  await here.ready("Comparing");
  await here.edit({ suspend: true });
  await here.ready("Suspended");
  await here.edit({ suspend: false, job: { labels: { team: "blue" } } });
  await eventually(async () => (await here.jobs())[0]?.metadata?.labels?.["team"] === "blue");
  const stuck = await here.place();
  await stuck.event("Warning", "FailedMount", "MountVolume.SetUp failed: no such device");
  await here.ready("VolumeNotMounted");
  await succeeds(stuck);
  await here.ready("OverlayReady");

  await here.imageDiff("passing", { mode: "Estimate", output: {}, ttlSecondsAfterFinished: 1 });
  await succeeds(await here.place(), result(null));
  await eventually(async () => (await admin.find(here.path("passing"))) === undefined);
  await foreignJob(here, "web-02");
}

/** Somebody else has a Job of the name that an ImageDiff's is to have. */
async function foreignJob(here: World, name: string): Promise<void> {
  const { metadata, spec } = await here.imageDiff(name, { suspend: true });
  await here.ready("Suspended", name);
  await admin.create(
    jobManifest(here.space, jobName({ metadata, spec } as ImageDiff), { suspend: true }),
  );
  await here.edit({ suspend: false }, name);
  await here.ready("JobRefused", name);
}

interface Account {
  namespace: string;
  name: string;
}

/** A new service account of a namespace with these rights in the whole cluster. */
async function accountWith({ space }: World, rules: readonly Rule[]): Promise<Account> {
  const account = { namespace: space, name: "copy" };
  await admin.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: account });
  const name = `imagediff-${space}`;
  for (const manifest of rbac({ name }, rules, account)) {
    await admin.create(manifest);
    onTestFinished(async () => admin.delete(manifest));
  }
  return account;
}

/** Gives an account these rights in one namespace. */
async function grant(namespace: string, account: Account, rules: readonly Rule[]): Promise<void> {
  const metadata = { namespace, name: "imagediff" };
  for (const manifest of rbac(metadata, rules, account)) await admin.create(manifest);
}

/** A role and its binding, of the whole cluster where there is no namespace. */
function rbac(
  metadata: { namespace?: string; name: string },
  rules: readonly Rule[],
  account: Account,
): KubeObject[] {
  const kind = metadata.namespace === undefined ? "ClusterRole" : "Role";
  const apiVersion = "rbac.authorization.k8s.io/v1";
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind, name: metadata.name };
  const binding = { roleRef, subjects: [{ kind: "ServiceAccount", ...account }] };
  return [
    { apiVersion, kind, metadata, ...{ rules } },
    { apiVersion, kind: `${kind}Binding`, metadata, ...binding },
  ];
}
