/** Where the engine can run: volumes and pods that are on different nodes, and the scheduler. */
import { expect, onTestFinished, test } from "vitest";
import { adminClient, cluster } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import { startKubelet, type Kubelet } from "../kubelet.ts";
import { unschedulable } from "../scheduler.ts";
import {
  conditionOf,
  expectGoesOn,
  expectWaiting,
  nodesOf,
  volumeOf,
  waitingPod,
} from "./states.ts";
import { world, type World } from "./world.ts";

const admin = adminClient();

async function secondNode(): Promise<Kubelet> {
  const kubelet = await startKubelet(cluster());
  onTestFinished(async () => kubelet.stop());
  return kubelet;
}

/** Makes the claim anew, with a volume elsewhere. */
async function moved(here: World, claimName: string, nodes: string[]): Promise<void> {
  await here.remove("persistentvolumeclaims", claimName);
  await eventually(async () => {
    await admin.delete(volumeOf(here, claimName));
    return (await admin.find(volumeOf(here, claimName))) === undefined;
  });
  await here.claim(claimName, { nodes });
}

test("volumes of different nodes: both claims and both nodes are named", async () => {
  const here = await world(admin);
  await here.claim("golden", { nodes: ["node-a", "node-b"] });
  await here.claim("root", { nodes: ["node-c"] });
  // Where its volume is the operator may hear a moment later than that the claim has one.
  await here.imageDiff();
  await expectWaiting(here, "ClaimMissing", ["thin", "No node can reach all of the claims"]);
  await here.claim("thin");
  const status = await expectWaiting(here, "VolumesApart", [
    `golden (volume ${here.space}-golden) needs kubernetes.io/hostname In (node-a, node-b)`,
    `root (volume ${here.space}-root) needs kubernetes.io/hostname In (node-c)`,
    "Copy an image to a claim whose volume is where the other is",
  ]);
  expect(conditionOf(status, "Schedulable")).toMatchObject({
    status: "False",
    reason: "VolumesApart",
  });
  expect(await here.jobs()).toEqual([]);
  await moved(here, "root", ["node-b"]);
  await expectGoesOn(here);
});

test("claims that pods hold on different nodes: until one of the pods goes", async () => {
  const here = await world(admin);
  const other = await secondNode();
  await here.claims();
  await here.user("reader-a", "golden", { readOnly: true });
  const pod = await here.user("reader-b", "root", { readOnly: true, run: false });
  await (await other.run(pod)).start();
  await here.imageDiff("web-01", { sourceUse: "AllowReadOnly" });
  const status = await expectWaiting(here, "ClaimsApart", [
    `golden is on node ${here.kubelet.node} (pod reader-a)`,
    `root is on node ${other.node} (pod reader-b)`,
    "Stop the pods on one of the nodes",
  ]);
  expect(conditionOf(status, "Schedulable")).toMatchObject({ status: "False" });
  expect(await here.jobs()).toEqual([]);
  await here.remove("pods", "reader-a");
  const engine = await waitingPod(here);
  expect(nodesOf(engine)).toEqual([other.node]);
  await expectGoesOn(here, "web-01", await other.run(engine));
  expect((await here.get()).status.node).toBe(other.node);
});

test("a pod that fits on no node: the scheduler's words, until it fits", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff("web-01", { job: { resources: { requests: { memory: "900Gi" } } } });
  const pod = await waitingPod(here);
  await unschedulable(admin, pod, "0/3 nodes are available: 3 Insufficient memory.");
  const status = await expectWaiting(here, "Unschedulable", [
    `No node can take pod ${pod.metadata?.name}: 0/3 nodes are available: 3 Insufficient memory.`,
    "Make room, or change spec.job's resources",
  ]);
  expect(conditionOf(status, "Schedulable")).toMatchObject({
    status: "False",
    reason: "Unschedulable",
  });
  const { message } = conditionOf(await expectGoesOn(here), "Schedulable") ?? {};
  expect(message).toContain(here.kubelet.node);
});

test("a pod that fits on no node: or until it asks for less", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff("web-01", { job: { nodeSelector: { disk: "fast" } } });
  const pod = await waitingPod(here);
  await unschedulable(admin, pod, "0/3 nodes match the node selector.");
  await expectWaiting(here, "Unschedulable", ["0/3 nodes match the node selector"]);
  await here.edit({ job: { nodeSelector: null } });
  const next = await eventually(async () => {
    const found = await waitingPod(here);
    return found.metadata?.uid !== pod.metadata?.uid && found;
  });
  expect(next.spec?.nodeSelector).toBeUndefined();
  const status = await expectGoesOn(here, "web-01", await here.kubelet.run(next));
  expect(conditionOf(status, "Schedulable")).toMatchObject({ status: "True" });
});
