import { afterAll, expect, onTestFinished, test } from "vitest";
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { ConfigMap, Event, ResourceQuota } from "kubernetes-types/core/v1.d.ts";
import { accountName, AuditTrail } from "./audit.ts";
import { claim, provision } from "./claims.ts";
import { adminClient, clientWith, cluster, namespace, serviceAccount } from "./cluster.ts";
import { adminOf, startControlPlane } from "./control-plane.ts";
import { eventually } from "./eventually.ts";
import { jobManifest, podOf } from "./jobs.ts";
import { startKubelet } from "./kubelet.ts";
import { testFolder } from "../support/folder.ts";

const admin = adminClient();
const kubelet = await startKubelet(cluster());
afterAll(async () => kubelet.stop());

test("deleting an owner has its Job and the pod collected", async () => {
  const space = await namespace(admin);
  const owner = await admin.create<ConfigMap>({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "owner", namespace: space },
  });
  const { uid = "" } = owner.metadata ?? {};
  const manifest = jobManifest(space, "owned");
  const reference = { apiVersion: "v1", kind: "ConfigMap", name: "owner", uid };
  const job = await admin.create<Job>({
    ...manifest,
    metadata: { ...manifest.metadata, ownerReferences: [reference] },
  });
  const pod = await kubelet.run(await podOf(admin, job));
  await pod.start();

  await admin.delete(owner);

  await eventually(async () => (await admin.find(job)) === undefined);
  await eventually(async () => (await admin.find(pod.object)) === undefined);
  expect(pod.over).toBe(true);
});

test("a quota refuses the pod of a Job, which an event tells", async () => {
  const space = await namespace(admin);
  const quota = await admin.create<ResourceQuota>({
    apiVersion: "v1",
    kind: "ResourceQuota",
    metadata: { name: "none", namespace: space },
    spec: { hard: { pods: "0" } },
  });
  await eventually(
    async () => (await admin.get<ResourceQuota>(quota)).status?.hard?.["pods"] === "0",
  );

  await admin.create(jobManifest(space, "refused"));

  const event = await eventually(async () => {
    const events = await admin.list<Event>(`/api/v1/namespaces/${space}/events`);
    return events.find(({ reason }) => reason === "FailedCreate");
  });
  expect(event.message).toContain("exceeded quota: none");
  expect(event.involvedObject.name).toBe("refused");
});

test("a service account may do nothing without a role, and the audit log tells what it tried", async () => {
  const space = await namespace(admin);
  const nobody = clientWith(await serviceAccount(admin, space, "nobody"));
  const trail = new AuditTrail(cluster());
  const path = `/api/v1/namespaces/${space}/pods`;

  await expect(nobody.list(path)).rejects.toMatchObject({ status: 403, reason: "Forbidden" });
  await expect(nobody.create(jobManifest(space, "forbidden"))).rejects.toMatchObject({
    status: 403,
  });

  const user = accountName(space, "nobody");
  expect(trail.verbs(user)).toEqual(["create jobs", "get /apis/batch/v1", "list pods"]);
  expect(trail.records(user).map(({ responseStatus }) => responseStatus?.code)).toEqual([
    403, 200, 403,
  ]);
});

test("claims are bound to their volumes, on either kind and with a place", async () => {
  const space = await namespace(admin);
  const nodes = [kubelet.node];
  const block = await claim(admin, { namespace: space, name: "block", mode: "Block", nodes });
  const waiting = await claim(admin, { namespace: space, name: "waiting", bound: false });

  expect(block.status?.phase).toBe("Bound");
  expect(block.spec?.volumeName).toBe(`${space}-block`);
  expect((await admin.get<typeof waiting>(waiting)).status?.phase).toBe("Pending");

  const bound = await provision(admin, waiting);
  expect(bound.status?.capacity?.["storage"]).toBe("1Gi");
});

test("a claim that a pod uses stays until the pod is gone", async () => {
  const space = await namespace(admin);
  const used = await claim(admin, { namespace: space, name: "used" });
  const manifest = jobManifest(space, "user");
  const { spec } = manifest;
  const volume = { name: "used", persistentVolumeClaim: { claimName: "used" } };
  if (spec?.template.spec !== undefined) spec.template.spec.volumes = [volume];
  const pod = await kubelet.run(await podOf(admin, await admin.create(manifest)));
  await pod.start();

  await admin.delete(used);
  const deleting = await admin.get<typeof used>(used);
  expect(deleting.metadata?.deletionTimestamp).toBeDefined();
  expect(deleting.metadata?.finalizers).toEqual(["kubernetes.io/pvc-protection"]);

  await pod.terminate({ exitCode: 0 });
  await admin.delete(pod.object);
  await eventually(async () => (await admin.find(used)) === undefined);
});

test("a control plane of a test's own goes through an outage of its API server", async () => {
  const plane = await startControlPlane(testFolder());
  try {
    const job = jobManifest("default", "survivor");
    const client = adminOf(plane);
    onTestFinished(async () => client.close());
    await client.create(job);
    const { server } = plane;

    await plane.stopApiServer();
    await expect(client.get(job)).rejects.toThrow("ECONNREFUSED");
    await plane.startApiServer();
    expect(plane.server).toBe(server);
    expect((await podOf(client, job)).status?.phase).toBe("Pending");

    plane.freezeApiServer();
    await expect(
      client.send("GET", "/readyz", { signal: AbortSignal.timeout(100) }),
    ).rejects.toThrow("timeout");
    plane.thawApiServer();
    expect(await client.text("/readyz")).toBe("ok");
  } finally {
    await plane.stop();
  }
});
