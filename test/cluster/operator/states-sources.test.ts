/** Pods that use the images: the work waits until none can change them. */
import { expect, test } from "vitest";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import type { Transport } from "../../../src/kube/transport.ts";
import { adminClient } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import {
  conditionOf,
  expectScenes,
  expectGoesOn,
  expectWaiting,
  nodesOf,
  waitingPod,
  working,
} from "./states.ts";
import { world, type World } from "./world.ts";

const admin = adminClient();

test("a pod that can write: it is named, and waited for", async () => {
  const here = await world(admin);
  await here.claims();
  await here.user("importer", "root");
  await here.imageDiff("web-01", { sourceUse: "AllowReadOnly" });
  const status = await expectWaiting(here, "SourcesInUse", [
    "Pod importer holds the claim root: stop it.",
  ]);
  expect(conditionOf(status, "SourcesIdle")).toMatchObject({
    status: "False",
    reason: "SourcesInUse",
  });
  expect(await here.jobs()).toEqual([]);
  await here.remove("pods", "importer");
  const { conditions = [] } = await expectGoesOn(here);
  expect(conditionOf({ conditions }, "SourcesIdle")).toMatchObject({ reason: "Idle" });
});

test("a pod that has run to its end holds nothing", async () => {
  const here = await world(admin);
  await here.claims();
  const pod = await here.user("importer", "root", { run: false });
  await here.imageDiff();
  await expectWaiting(here, "SourcesInUse", ["Pod importer"]);
  const played = await here.kubelet.run(pod);
  await played.start();
  await played.terminate({ exitCode: 0 });
  await expectGoesOn(here);
});

test("a pod that is ending is waited for to the end", async () => {
  const here = await world(admin);
  await here.claims();
  await here.user("vm", "root");
  const [played] = here.kubelet.pods;
  if (played === undefined) throw new Error("the pod is not on the node");
  played.ignoresSigterm = true;
  await here.imageDiff();
  await expectWaiting(here, "SourcesInUse", ["Pod vm holds the claim root: stop it"]);
  await admin.delete(`/api/v1/namespaces/${here.space}/pods/vm`);
  await expectWaiting(here, "SourcesInUse", ["Pod vm is ending and still holds the claim root"]);
  expect(await here.jobs()).toEqual([]);
  await played.terminate({ exitCode: 0 });
  await expectGoesOn(here);
});

test("a reader blocks who wants the images idle, until that is edited", async () => {
  const here = await world(admin);
  await here.claims();
  await here.user("reader", "golden", { readOnly: true });
  await here.imageDiff();
  await expectWaiting(here, "SourcesInUse", [
    "Pod reader holds the claim golden: stop it",
    "spec.sourceUse: AllowReadOnly",
  ]);
  await here.edit({ sourceUse: "AllowReadOnly" });
  await expectGoesOn(here);
});

test("a reader is no obstacle to who allows it; the engine follows the claim to its node", async () => {
  const here = await world(admin);
  await here.claims();
  await here.user("reader", "golden", { readOnly: true });
  await here.imageDiff("web-01", { sourceUse: "AllowReadOnly" });
  expect(nodesOf(await waitingPod(here))).toEqual([here.kubelet.node]);
  const status = await expectGoesOn(here);
  expect(conditionOf(status, "SourcesIdle")?.message).toBe("No pod can write to the images.");
});

test("a virtual machine is called by its name, and how to stop it is told", async () => {
  const here = await world(admin);
  await here.claims();
  const labels = { "kubevirt.io": "virt-launcher", "vm.kubevirt.io/name": "web" };
  await here.user("virt-launcher-web-x7k2p", "root", { labels });
  await here.imageDiff();
  await expectWaiting(here, "SourcesInUse", [
    "VirtualMachine web is running (pod virt-launcher-web-x7k2p) and holds the claim root",
    'stop it with "virtctl stop web"',
  ]);
  await here.remove("pods", "virt-launcher-web-x7k2p");
  await expectGoesOn(here);
});

test("a volume that is hot-plugged into a virtual machine", async () => {
  const here = await world(admin);
  await Promise.all([here.claims(), here.claim("boot")]);
  const launcher = await here.user("virt-launcher-web-x7k2p", "boot");
  await plugged(here, launcher, "root");
  await here.imageDiff();
  await expectWaiting(here, "SourcesInUse", [
    "The virtual machine of pod virt-launcher-web-x7k2p has the claim root hot-plugged (pod hp-volume-4q9zd)",
    "virtctl removevolume",
  ]);
  await here.remove("pods", "hp-volume-4q9zd");
  await expectGoesOn(here);
});

/** The pod by which KubeVirt attaches a volume to the node of a virtual machine. */
async function plugged(here: World, launcher: Pod, claimName: string): Promise<void> {
  const { name = "", uid = "" } = launcher.metadata ?? {};
  await admin.create<Pod>({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: "hp-volume-4q9zd",
      namespace: here.space,
      labels: { "kubevirt.io": "hotplug-disk" },
      ownerReferences: [{ apiVersion: "v1", kind: "Pod", name, uid, controller: true }],
    },
    spec: {
      restartPolicy: "Never",
      containers: [
        {
          name: "hotplug-disk",
          image: "example.com/none",
          volumeMounts: [{ name: "data", mountPath: "/data" }],
        },
      ],
      volumes: [{ name: "data", persistentVolumeClaim: { claimName } }],
    },
  });
}

test("a user that comes while the Job is being decided on: there is no Job", async () => {
  const asked = Promise.withResolvers<void>();
  const come = Promise.withResolvers<void>();
  let first = true;
  const wrap =
    (transport: Transport): Transport =>
    async (request) => {
      // The last look at the pods, right before the Job.
      if (first && request.query?.["fieldSelector"]?.includes("status.phase!=Succeeded")) {
        first = false;
        asked.resolve();
        await come.promise;
      }
      return transport(request);
    };
  const here = await world(admin, { wrap });
  await here.claims();
  await here.imageDiff();
  await asked.promise;
  await here.user("vm", "root", { run: false });
  come.resolve();
  await expectWaiting(here, "SourcesInUse", ["Pod vm holds the claim root"]);
  const { jobName } = (await here.get()).status;
  expect(jobName, "none was ever made").toBeUndefined();
  expect(await here.jobs()).toEqual([]);
  await here.remove("pods", "vm");
  await expectGoesOn(here);
});

const scenes = {
  "a user that comes before the engine has started: the Job is held back until it is gone":
    async () => {
      const here = await world(admin);
      await here.claims();
      await here.imageDiff();
      await here.newPod();
      await here.ready("JobCreated");
      await here.user("vm", "root");
      await expectWaiting(here, "SourcesInUse", ["Pod vm holds the claim root"]);
      await eventually(async () => (await here.pods()).length === 0);
      const [held] = await here.jobs();
      expect(held?.spec?.suspend).toBe(true);
      await here.remove("pods", "vm");
      await expectGoesOn(here);
      const [job] = await here.jobs();
      expect(job?.metadata?.uid, "the same goes on").toBe(held?.metadata?.uid);
    },
  "a user that comes while the engine reads does not stop it: it notices what changes":
    async () => {
      const here = await world(admin);
      await here.claims();
      await here.imageDiff();
      const pod = await working(here);
      await here.user("vm", "root");
      await pod.terminate({ exitCode: 1 });
      // But it is not tried again as long as the user is there.
      await expectWaiting(here, "SourcesInUse", ["Pod vm holds the claim root"]);
      await here.remove("pods", "vm");
      const { attempts, lastFailure } = await expectGoesOn(here);
      expect(attempts).toBe(2);
      expect(lastFailure).toMatchObject({ exitCode: 1 });
    },
};

test("a user that comes later", async () => {
  await expectScenes(scenes);
});
