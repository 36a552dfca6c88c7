/** Failures that pass: what is tried again, how often, and what does not count. */
import { expect, test } from "vitest";
import { adminClient } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import { unschedulable } from "../scheduler.ts";
import type { PlayedPod } from "../pod.ts";
import { fails, progressLine } from "./engine.ts";
import {
  expectScenes,
  expectFailed,
  expectGoesOn,
  expectWaiting,
  onlyJob,
  placed,
  waitingPod,
  working,
} from "./states.ts";
import { world } from "./world.ts";

const admin = adminClient();

const scenes = {
  "what may pass is tried again, up to spec.backoffLimit, and then it has failed": async () => {
    const here = await world(admin);
    await here.claims();
    await here.imageDiff("web-01", { backoffLimit: 1 });
    const first = await placed(here);
    await first.start();
    first.log().append(`${progressLine(70)}{"level":30,"msg":"the first"}\n`);
    await first.terminate({ exitCode: 1 });
    const waiting = await expectWaiting(here, "InternalError", ["exit code 1"]);
    expect(waiting.lastFailure).toMatchObject({
      reason: "InternalError",
      exitCode: 1,
      logTail: '{"level":30,"msg":"the first"}',
    });
    expect(waiting).toMatchObject({ attempts: 1 });
    expect(waiting.progress, "there is none between attempts").toBeUndefined();
    expect(waiting.completionTime).toBeUndefined();

    const second = await working(here);
    second.log().append("the second\n");
    await second.terminate({ exitCode: 1 });
    const failed = await expectFailed(here, "InternalError", ["exit code 1"]);
    expect(failed.lastFailure).toMatchObject({ exitCode: 1, logTail: "the second" });
    expect(failed).toMatchObject({ attempts: 2 });
    expect(await here.pods()).toHaveLength(2);
  },
  "a retry that succeeds: the failure before it is remembered": async () => {
    const here = await world(admin);
    await here.claims();
    await here.imageDiff();
    await fails(await placed(here), "NoSpace", "spec.output: claim thin is full.");
    await expectWaiting(here, "NoSpace", ["claim thin is full"]);
    const status = await expectGoesOn(here);
    expect(status).toMatchObject({
      attempts: 2,
      lastFailure: { reason: "NoSpace", exitCode: 1, message: "spec.output: claim thin is full." },
    });
  },
  "a pod that its node evicts does not count": async () => {
    const here = await world(admin);
    await here.claims();
    await here.imageDiff("web-01", { backoffLimit: 0 });
    const pod = await placed(here);
    await disrupted(pod);
    await expectWaiting(here, "Evicted", [pod.name, "The node was low on resource: memory."]);
    const status = await expectGoesOn(here);
    expect(status).toMatchObject({ attempts: 2, lastFailure: { reason: "Evicted" } });
    expect((await onlyJob(here)).status?.failed ?? 0).toBe(0);
  },
  "a pod that a drain evicts does not count": async () => {
    const here = await world(admin);
    await here.claims();
    await here.imageDiff("web-01", { backoffLimit: 0 });
    const pod = await working(here);
    await admin.post(`/api/v1/namespaces/${here.space}/pods/${pod.name}/eviction`, {
      apiVersion: "policy/v1",
      kind: "Eviction",
      metadata: { name: pod.name, namespace: here.space },
    });
    const { lastFailure } = await expectGoesOn(here);
    expect(lastFailure).toMatchObject({ reason: "Disrupted" });
    expect(lastFailure?.message).toContain(pod.name);
  },
  "work that takes longer than it may: it has failed, and its pod ends": async () => {
    const here = await world(admin);
    await here.claims();
    await here.imageDiff("web-01", { activeDeadlineSeconds: 4 });
    const pod = await working(here);
    const { attempts } = await expectFailed(here, "DeadlineExceeded", [
      "longer than the 4 seconds of spec.activeDeadlineSeconds",
    ]);
    expect(attempts).toBe(1);
    await eventually(() => pod.over);
  },
  "work that waits for longer than it may: what it waited for is told": async () => {
    const here = await world(admin);
    await here.claims();
    await here.imageDiff("web-01", { activeDeadlineSeconds: 4 });
    await unschedulable(admin, await waitingPod(here), "0/3 nodes are available: no room.");
    await expectWaiting(here, "Unschedulable", ["0/3 nodes are available"]);
    await expectFailed(here, "DeadlineExceeded", [
      "spec.activeDeadlineSeconds",
      "0/3 nodes are available: no room.",
    ]);
  },
};

test("what passes is tried again, as long as it may be", async () => {
  await expectScenes(scenes);
});

/** How a kubelet that runs out of something, or is shut down, marks what it ends. */
async function disrupted(pod: PlayedPod): Promise<void> {
  await pod.start();
  await pod.condition("DisruptionTarget", "TerminationByKubelet", "Pod was terminated.");
  await pod.fail("Evicted", "The node was low on resource: memory.");
}
