/** The controller goes away in the middle of the work: killed, or replaced by an upgrade. */
import { describe, expect, onTestFinished, test } from "vitest";
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { Lease } from "kubernetes-types/coordination/v1.d.ts";
import { adminClient } from "../cluster/cluster.ts";
import { eventually } from "../cluster/eventually.ts";
import { ownNodes } from "../node/cluster.ts";
import { Disks } from "./disks.ts";
import { expectOverlay } from "./expectations.ts";
import { controllerPods, product, productNamespace, upgrade } from "./product.ts";
import { atWork, patience, slowly, threeClaims, type Scene } from "./scene.ts";

const admin = adminClient();
const disks = new Disks();
product();

describe.runIf(ownNodes)("on our own nodes", () => {
  test("the leader is killed: the other goes on with the same Job", async () => {
    const { here, job } = await working();
    const leader = await leadersPod();

    await admin.delete(`/api/v1/namespaces/${productNamespace}/pods/${leader}`, {
      gracePeriodSeconds: 0,
    });

    await expectSameJob(here, job);
    expect(await leadersPod()).not.toBe(leader);
  });

  test("an upgrade in the middle of the work disturbs no Job", async () => {
    const { here, job } = await working();
    const before = await podNames();

    onTestFinished(async () => upgrade(admin));
    await upgrade(admin, { logLevel: "debug" });

    // The last of the old ones may still be ending.
    await eventually(async () => {
      const after = new Set(await podNames());
      return before.every((name) => !after.has(name));
    }, patience);
    await expectSameJob(here, job);
  });
});

/** An ImageDiff whose engine is at work, and its Job. */
async function working(): Promise<{ here: Scene; job: Job }> {
  const [golden, root] = [await disks.golden(), await disks.clone("web-01")];
  const here = await threeClaims(admin, { golden, root });
  await here.imageDiff("web-01", { job: slowly });
  await atWork(here);
  const [job] = await here.jobs();
  if (job === undefined) throw new Error("an engine at work has a Job");
  return { here, job };
}

async function expectSameJob(here: Scene, { metadata }: Job): Promise<void> {
  const { status } = await here.ready();
  expect(status.attempts).toBe(1);
  expect((await here.jobs()).map((job) => job.metadata?.uid)).toEqual([metadata?.uid]);
  await expectOverlay(here, {
    base: { claim: "golden", path: "disk.img" },
    modified: { claim: "root", path: "disk.img" },
    overlay: { claim: "thin", path: "web-01.qcow2" },
  });
}

async function podNames(): Promise<string[]> {
  return (await controllerPods(admin)).map(({ metadata }) => metadata?.name ?? "");
}

/** The name of the pod that holds the lease: a random part follows it there. */
async function leadersPod(): Promise<string> {
  return eventually(
    async () => {
      const { spec } = await admin.get<Lease>(
        `/apis/coordination.k8s.io/v1/namespaces/${productNamespace}/leases/imagediff`,
      );
      return (await podNames()).find((name) => spec?.holderIdentity?.startsWith(`${name}_`));
    },
    { timeoutMs: 60_000 },
  );
}
