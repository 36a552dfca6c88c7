/** Pods, Jobs and nodes that go in the middle of the work: it goes on, and never twice at a time. */
import { expect, onTestFinished, test } from "vitest";
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { Node } from "kubernetes-types/core/v1.d.ts";
import type { DeleteOptions } from "../client.ts";
import { adminClient, cluster } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import { startKubelet } from "../kubelet.ts";
import { result } from "./engine.ts";
import {
  claimsForMany,
  conditionOf,
  expectScenes,
  expectFailed,
  expectGoesOn,
  expectWaiting,
  mostAtOnce,
  onlyJob,
  placed,
  waitingPod,
  working,
} from "./states.ts";
import { startController, world, type World } from "./world.ts";

const admin = adminClient();

function jobPath({ space }: World, { metadata }: Job): string {
  return `/apis/batch/v1/namespaces/${space}/jobs/${metadata?.name}`;
}

const scenes = {
  "a pod that is deleted by hand while it runs": async () => {
    const here = await world(admin);
    await here.claims();
    const most = await mostAtOnce(here);
    await here.imageDiff();
    const pod = await working(here);
    await admin.delete(`/api/v1/namespaces/${here.space}/pods/${pod.name}`);
    const { lastFailure, attempts } = await expectGoesOn(here);
    expect(attempts).toBe(2);
    expect(lastFailure).toMatchObject({ reason: "EngineKilled" });
    expect(lastFailure?.message).toContain(`somebody deleted pod ${pod.name}`);
    expect(most()).toBe(1);
  },
  "a node that is lost: the work stays there until the node is given up, then it goes on":
    async () => {
      const here = await world(admin);
      await here.claims();
      const most = await mostAtOnce(here);
      const other = await startKubelet(cluster());
      onTestFinished(async () => other.stop());
      await here.imageDiff();
      const pod = await other.run(await waitingPod(here));
      await pod.start();
      await here.ready("Starting");
      await other.crash();
      // As the node's lifecycle controller does after a while; the kubelet does not answer.
      await admin.delete(`/api/v1/namespaces/${here.space}/pods/${pod.name}`);
      const path = `/api/v1/nodes/${other.node}`;
      await admin.patch<Node>(
        path,
        {
          status: {
            conditions: [{ type: "Ready", status: "Unknown", reason: "NodeStatusUnknown" }],
          },
        },
        { subresource: "status", type: "strategic" },
      );
      expect((await here.get()).status).toMatchObject({ phase: "Starting", node: other.node });
      expect(await here.pods(), "nobody knows whether it still writes").toHaveLength(1);
      // An administrator knows that it is off.
      const taint = { key: "node.kubernetes.io/out-of-service", value: "nodeshutdown" };
      await admin.patch<Node>(path, { spec: { taints: [{ ...taint, effect: "NoExecute" }] } });
      const next = await eventually(
        async () => {
          const found = (await here.pods()).find(({ spec }) => spec?.nodeName === undefined);
          return found;
        },
        { timeoutMs: 60_000 },
      );
      const status = await expectGoesOn(here, "web-01", await here.kubelet.run(next));
      expect(status.node).toBe(here.kubelet.node);
      expect(most()).toBe(1);
    },
};

test("a pod that goes, and a node that goes with its pod", async () => {
  await expectScenes(scenes);
});

const ways: (DeleteOptions["propagationPolicy"] & string)[] = [
  "Background",
  "Foreground",
  "Orphan",
];

test.for(ways)("a Job that is deleted by hand while its pod runs: %s", async (way) => {
  const here = await world(admin);
  await here.claims();
  const most = await mostAtOnce(here);
  await here.imageDiff();
  const pod = await placed(here);
  pod.ignoresSigterm = true;
  await pod.start();
  await here.ready("Starting");
  const job = await onlyJob(here);
  await admin.delete(jobPath(here, job), { propagationPolicy: way });
  // A pod that has lost its Job may still write.
  await expectWaiting(here, "ReplacingJob", ["once it and its pod are gone"]);
  await pod.terminate({ exitCode: 1 });
  const second = await eventually(async () => {
    const next = await waitingPod(here);
    return next.metadata?.uid !== pod.uid && next;
  });
  expect((await onlyJob(here)).metadata?.uid).not.toBe(job.metadata?.uid);
  await expectGoesOn(here, "web-01", await here.kubelet.run(second));
  expect(most()).toBe(1);
});

test("a pod that outlives its Job and does the work: that counts", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff();
  const pod = await working(here);
  await admin.delete(jobPath(here, await onlyJob(here)), { propagationPolicy: "Orphan" });
  await expectWaiting(here, "ReplacingJob", [`Pod ${pod.name} has outlived its Job`]);
  await pod.terminate({ exitCode: 0, message: JSON.stringify(result()) });
  await here.ready("OverlayReady");
  expect(await here.jobs()).toEqual([]);
});

test("a Job that is deleted by hand in any other phase is made again", async () => {
  const here = await world(admin);
  await claimsForMany(here);
  const phases: { name: string; reach: (name: string) => Promise<void> }[] = [
    { name: "made", reach: async (name) => void (await here.ready("JobCreated", name)) },
    {
      name: "placed",
      reach: async (name) => {
        const pod = await placed(here, name);
        await pod.waiting("ErrImagePull", "not found");
        await here.ready("ImagePullFailed", name);
      },
    },
    {
      name: "failed",
      reach: async (name) => {
        const pod = await placed(here, name);
        await pod.start();
        await pod.terminate({ exitCode: 1 });
        await here.ready("InternalError", name);
      },
    },
  ];
  await Promise.all(
    phases.map(async ({ name, reach }) => {
      await here.imageDiff(name);
      await reach(name);
      const { jobName } = (await here.get(name)).status;
      const path = `/apis/batch/v1/namespaces/${here.space}/jobs/${jobName}`;
      const { uid } = (await admin.get<Job>(path)).metadata ?? {};
      await admin.delete(path, { propagationPolicy: "Background" });
      await eventually(async () => {
        const again = await admin.find<Job>(path);
        return again !== undefined && again.metadata?.uid !== uid;
      });
      const pod = await eventually(async () => {
        const next = await waitingPod(here, name);
        return next.metadata?.ownerReferences?.every((owner) => owner.uid !== uid) && next;
      });
      await expectGoesOn(here, name, await here.kubelet.run(pod));
    }),
  );
  expect(await here.jobs()).toHaveLength(phases.length);
});

test("a suspended Job that is deleted by hand is made again when it is wanted", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff();
  await waitingPod(here);
  await here.edit({ suspend: true });
  await here.ready("Suspended");
  await admin.delete(jobPath(here, await onlyJob(here)), { propagationPolicy: "Background" });
  await eventually(async () => (await here.jobs()).length === 0);
  await here.edit({ suspend: false });
  await expectGoesOn(here);
});

/** While no controller is there, the engine does its work and its pod is deleted. */
async function unheard(here: World, stop: () => Promise<void>, message: string): Promise<void> {
  const pod = await working(here);
  await stop();
  await pod.terminate({ exitCode: 0, message });
  const path = jobPath(here, await onlyJob(here));
  await eventually(async () => (await admin.get<Job>(path)).status?.succeeded === 1);
  await here.remove("pods", pod.name);
  await eventually(async () => (await here.pods()).length === 0);
}

test("a pod that goes before its report was read: the overlay is there, its figures are not", async () => {
  const here = await world(admin, { controller: false });
  await here.claims();
  await here.imageDiff();
  const { stop } = await startController(admin, here.space);
  await unheard(here, stop, JSON.stringify(result()));
  await startController(admin, here.space);
  const status = await here.ready("ResultLost");
  expect(status).toMatchObject({ phase: "Succeeded", attempts: 1 });
  expect(conditionOf(status, "Ready")).toMatchObject({ status: "True" });
  expect(conditionOf(status, "Ready")?.message).toContain("deleted before its report was read");
  expect(conditionOf(status, "Verified")).toMatchObject({ status: "True" });
  expect(await here.jobs()).toHaveLength(1);
});

test("an estimate's pod that goes before its report was read: there is nothing left of it", async () => {
  const here = await world(admin, { controller: false });
  await here.claims();
  await here.imageDiff("web-01", { mode: "Estimate", output: {} });
  const { stop } = await startController(admin, here.space);
  await unheard(here, stop, JSON.stringify(result(null)));
  await startController(admin, here.space);
  await expectFailed(here, "ResultLost", ["The estimate was made", "Make another ImageDiff"]);
});
