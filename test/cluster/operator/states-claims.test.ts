/** Claims that the work has to wait for, each until it can be used. */
import { expect, onTestFinished, test } from "vitest";
import type { PersistentVolume, PersistentVolumeClaim } from "kubernetes-types/core/v1.d.ts";
import type { StorageClass } from "kubernetes-types/storage/v1.d.ts";
import { claim, provision } from "../claims.ts";
import { adminClient } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import { conditionOf, expectGoesOn, expectWaiting } from "./states.ts";
import { world, type World } from "./world.ts";

const admin = adminClient();

function pathOf({ space }: World, name: string): string {
  return `/api/v1/namespaces/${space}/persistentvolumeclaims/${name}`;
}

/** The claim once it is gone. */
async function gone(here: World, name: string): Promise<void> {
  await eventually(async () => (await admin.find(pathOf(here, name))) === undefined);
}

let classes = 0;

/** Makes a storage class for which nobody makes volumes; it must be there before the controller. */
async function storageClass(
  volumeBindingMode: "Immediate" | "WaitForFirstConsumer",
): Promise<string> {
  const made = await admin.create<StorageClass>({
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name: `${volumeBindingMode.toLowerCase()}-${process.pid}-${(classes += 1)}` },
    provisioner: "csi.example.com",
    volumeBindingMode,
  });
  onTestFinished(async () => admin.delete(made));
  return made.metadata?.name ?? "";
}

test("missing: all of them are told at once, and it goes on when the last is there", async () => {
  const here = await world(admin);
  await here.imageDiff();
  await expectWaiting(here, "ClaimMissing", [
    "The base's claim golden does not exist",
    "The modified image's claim root does not exist",
    "The output's claim thin does not exist",
    "create it",
  ]);
  await here.claim("golden");
  await eventually(async () => {
    const status = await expectWaiting(here, "ClaimMissing", ["root", "thin"]);
    return conditionOf(status, "Ready")?.message.includes("golden") === false;
  });
  await here.claim("thin");
  expect(await here.jobs()).toEqual([]);
  await here.claim("root");
  await expectGoesOn(here);
});

test("being deleted, and held by a pod or a finalizer: waited for until it is made anew", async () => {
  const here = await world(admin);
  await here.claims();
  await here.user("vm", "root");
  await admin.patch(pathOf(here, "golden"), { metadata: { finalizers: ["example.com/backup"] } });
  await here.remove("persistentvolumeclaims", "root");
  await here.remove("persistentvolumeclaims", "golden");
  await here.imageDiff();
  await expectWaiting(here, "ClaimTerminating", [
    "The base's claim golden is being deleted: create it again",
    "The modified image's claim root is being deleted: create it again",
    "Pod vm",
  ]);
  await here.remove("pods", "vm");
  await admin.patch(pathOf(here, "golden"), { metadata: { finalizers: null } });
  await Promise.all([gone(here, "root"), gone(here, "golden")]);
  await expectWaiting(here, "ClaimMissing", ["golden", "root"]);
  // The old volumes are Released, and the new claims get new ones.
  await Promise.all(
    ["golden", "root"].map(async (name) =>
      eventually(async () => {
        const path = `/api/v1/persistentvolumes/${here.space}-${name}`;
        await admin.delete(path);
        return (await admin.find(path)) === undefined;
      }),
    ),
  );
  await Promise.all([here.claim("golden"), here.claim("root")]);
  await expectGoesOn(here);
});

test("without a volume: a source is waited for until it is bound", async () => {
  const here = await world(admin);
  await Promise.all([here.claim("golden"), here.claim("thin")]);
  const root = await claim(admin, { namespace: here.space, name: "root", bound: false });
  await here.imageDiff();
  await expectWaiting(here, "ClaimUnbound", [
    "The modified image's claim root is not bound to a volume",
    "Put the image there first",
  ]);
  await provision(admin, root);
  await expectGoesOn(here);
});

test("an output that nobody makes a volume for, and whose class does not wait for a pod", async () => {
  const storageClassName = await storageClass("Immediate");
  const here = await world(admin);
  await Promise.all([here.claim("golden"), here.claim("root")]);
  const thin = await claim(admin, {
    namespace: here.space,
    name: "thin",
    storageClassName,
    bound: false,
  });
  await here.imageDiff();
  await expectWaiting(here, "ClaimUnbound", [
    "The output's claim thin is not bound to a volume yet",
    "kubectl describe pvc thin",
  ]);
  expect(await here.jobs()).toEqual([]);
  await provision(admin, thin);
  await expectGoesOn(here);
});

test("a source that waits for its first pod: ours is not that pod", async () => {
  const storageClassName = await storageClass("WaitForFirstConsumer");
  const here = await world(admin);
  await Promise.all([here.claim("golden"), here.claim("thin")]);
  const root = await claim(admin, {
    namespace: here.space,
    name: "root",
    storageClassName,
    bound: false,
  });
  await here.imageDiff();
  await expectWaiting(here, "ClaimUnbound", [
    "The modified image's claim root is not bound",
    `Its storage class ${storageClassName} binds it to its first pod`,
    "start a pod that does",
  ]);
  expect(await here.jobs()).toEqual([]);
  await provision(admin, root);
  await expectGoesOn(here);
});

test("an output that waits for its first pod: ours is that pod", async () => {
  const storageClassName = await storageClass("WaitForFirstConsumer");
  const here = await world(admin);
  await Promise.all([here.claim("golden"), here.claim("root")]);
  const thin = await claim(admin, {
    namespace: here.space,
    name: "thin",
    storageClassName,
    bound: false,
  });
  await here.imageDiff();
  await here.newPod();
  await expectWaiting(here, "JobCreated", [], { phase: "Pending" });
  const { status } = await admin.get<PersistentVolumeClaim>(thin);
  expect(status?.phase).toBe("Pending");
  await provision(admin, thin);
  await expectGoesOn(here);
});

test("lost: until its volume is restored", async () => {
  const here = await world(admin);
  await here.claims();
  const path = `/api/v1/persistentvolumes/${here.space}-root`;
  const { spec } = await admin.get<PersistentVolume>(path);
  await admin.delete(path);
  // A volume that a claim has is kept until somebody insists.
  await admin.patch(path, { metadata: { finalizers: null } });
  const root = pathOf(here, "root");
  await eventually(
    async () => (await admin.get<PersistentVolumeClaim>(root)).status?.phase === "Lost",
  );
  await here.imageDiff();
  await expectWaiting(here, "ClaimLost", [
    `The modified image's claim root has lost its volume ${here.space}-root`,
    "restore the volume",
  ]);
  await admin.create({
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name: `${here.space}-root` },
    spec,
  });
  await expectGoesOn(here);
});
