/** Two nodes: where claims are, where the work goes, and what becomes of it when a node goes. */
import { describe, expect, onTestFinished, test } from "vitest";
import type { PersistentVolumeClaim } from "kubernetes-types/core/v1.d.ts";
import type { StorageClass } from "kubernetes-types/storage/v1.d.ts";
import { adminClient } from "../cluster/cluster.ts";
import { drain, node, nodes, ownNodes, uncordon } from "../node/cluster.ts";
import { Disks } from "./disks.ts";
import { expectOverlay, expectWaiting } from "./expectations.ts";
import { product } from "./product.ts";
import { atWork, scene, slowly, type Scene } from "./scene.ts";

const admin = adminClient();
const disks = new Disks();
product();

const images = {
  base: { claim: "golden", path: "disk.img" },
  modified: { claim: "root", path: "disk.img" },
  overlay: { claim: "thin", path: "web-01.qcow2" },
};

describe.runIf(ownNodes)("on our own nodes", () => {
  test("claims that no node can reach both are told by name", async () => {
    const here = await scene(admin);
    await here.folder("golden", { nodes: [node(1)] });
    await here.folder("root", { nodes: [node(2)] });
    await here.folder("thin", { nodes: nodes() });

    await here.imageDiff();
    await expectWaiting(here, "VolumesApart", ["golden", "node-1", "root", "node-2"]);

    expect(await here.jobs()).toEqual([]);
  });

  test("the work goes where the claims are, and binds the output's claim there", async () => {
    const here = await scene(admin);
    const name = `late-${here.space}`;
    const storageClass: StorageClass = {
      apiVersion: "storage.k8s.io/v1",
      kind: "StorageClass",
      metadata: { name },
      provisioner: "kubernetes.io/no-provisioner",
      volumeBindingMode: "WaitForFirstConsumer",
    };
    await admin.create(storageClass);
    onTestFinished(async () => admin.delete(storageClass));
    await putDisks(here, [node(2)]);
    await here.folder("thin", { nodes: [node(2)], storageClassName: name, waits: true });

    await here.imageDiff();
    const { status } = await here.ready();

    expect(status.node).toBe("node-2");
    const claim = await admin.get<PersistentVolumeClaim>(
      `/api/v1/namespaces/${here.space}/persistentvolumeclaims/thin`,
    );
    expect(claim.status?.phase).toBe("Bound");
    await expectOverlay(here, images);
  });

  test("a node that is drained in the middle of the work costs no attempt", async () => {
    const here = await scene(admin);
    await putDisks(here, nodes());
    await here.folder("thin", { nodes: nodes(), filesystem: "xfs", bytes: 512 * 2 ** 20 });
    // Without a retry that counts.
    await here.imageDiff("web-01", { backoffLimit: 0, job: slowly });
    const drained = await atWork(here);

    onTestFinished(async () => uncordon(drained));
    await drain(drained);
    const { status } = await here.ready();

    expect(status.node).not.toBe(drained);
    expect(status.phase).toBe("Succeeded");
    await expectOverlay(here, images);
  });
});

/** Both images in claims that these nodes can reach. */
async function putDisks(here: Scene, on: ReturnType<typeof nodes>): Promise<void> {
  for (const name of ["golden", "root"]) {
    await here.folder(name, { nodes: on, filesystem: "xfs", bytes: 512 * 2 ** 20 });
  }
  await here.put(await disks.golden(), { claim: "golden" });
  await here.put(await disks.clone("web-01"), { claim: "root" });
}
