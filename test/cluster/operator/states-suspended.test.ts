/** Suspended, resumed, and edited while the work goes on. */
import { expect, test } from "vitest";
import { adminClient } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import { expectKstatus } from "../../operator/plan/kstatus.ts";
import {
  conditionOf,
  expectFailed,
  expectGoesOn,
  expectWaiting,
  mostAtOnce,
  onlyJob,
  placed,
  waitingPod,
  working,
} from "./states.ts";
import { world, type World } from "./world.ts";

const admin = adminClient();

/** Expects that nothing goes on, as the user wants it: it neither moves nor has it failed. */
async function expectSuspended(here: World): Promise<void> {
  const status = await here.ready("Suspended");
  expect(status.phase).toBe("Suspended");
  expect(status.progress).toBeUndefined();
  expect(conditionOf(status, "Ready")).toMatchObject({ status: "False" });
  expect(conditionOf(status, "Ready")?.message).toContain("set it to false");
  expect(conditionOf(status, "Reconciling")).toBeUndefined();
  expect(conditionOf(status, "Stalled")).toBeUndefined();
  expect(expectKstatus(await here.get())).toBe("InProgress");
  const pods = await here.pods();
  expect(
    pods.filter(({ status: { phase = "" } = {} }) => ["Pending", "Running"].includes(phase)),
  ).toEqual([]);
}

test("suspended from the start: there is no Job until it is resumed", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff("web-01", { suspend: true });
  await expectSuspended(here);
  expect(await here.jobs()).toEqual([]);
  await here.edit({ suspend: false });
  await expectGoesOn(here);
});

test("suspended while it waits, whatever is in the way", async () => {
  const here = await world(admin);
  await here.imageDiff();
  await expectWaiting(here, "ClaimMissing", ["golden"]);
  await here.edit({ suspend: true });
  await expectSuspended(here);
  await here.claims();
  await here.edit({ suspend: false });
  await expectGoesOn(here);
});

test("suspended before the engine has started", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff();
  const { metadata } = await waitingPod(here);
  await here.edit({ suspend: true });
  await expectSuspended(here);
  const { uid } = (await onlyJob(here)).metadata ?? {};
  await here.edit({ suspend: false });
  const pod = await waitingPod(here);
  expect(pod.metadata?.uid).not.toBe(metadata?.uid);
  await expectGoesOn(here);
  expect((await onlyJob(here)).metadata?.uid, "the Job is the same").toBe(uid);
});

test("suspended while the engine runs: it is told to end, and a new one starts at the resumption", async () => {
  const here = await world(admin);
  await here.claims();
  const most = await mostAtOnce(here);
  await here.imageDiff();
  const pod = await placed(here);
  pod.ignoresSigterm = true;
  await pod.start();
  await here.ready("Starting");
  await here.edit({ suspend: true });
  await expectWaiting(here, "Suspending", ["the engine is being stopped"], { phase: "Suspended" });
  await eventually(() => pod.deletion.aborted);
  await pod.terminate({ exitCode: 143 });
  await expectSuspended(here);
  await here.edit({ suspend: false });
  const { lastFailure } = await expectGoesOn(here);
  expect(lastFailure, "that was no failure").toBeUndefined();
  expect(most()).toBe(1);
});

test("resumed before the engine has ended: the next one waits for its end", async () => {
  const here = await world(admin);
  await here.claims();
  const most = await mostAtOnce(here);
  await here.imageDiff();
  const pod = await placed(here);
  pod.ignoresSigterm = true;
  await pod.start();
  await here.ready("Starting");
  await here.edit({ suspend: true });
  await here.ready("Suspending");
  await eventually(() => pod.deletion.aborted);
  await here.edit({ suspend: false });
  await eventually(async () => (await onlyJob(here)).spec?.suspend === false);
  await pod.terminate({ exitCode: 143 });
  await expectGoesOn(here);
  expect(most()).toBe(1);
});

test("settings of the Job edited while it runs: it is replaced, and there are never two", async () => {
  const here = await world(admin);
  await here.claims();
  const most = await mostAtOnce(here);
  await here.imageDiff();
  const pod = await placed(here);
  pod.ignoresSigterm = true;
  await pod.start();
  await here.ready("Starting");
  const { uid } = (await onlyJob(here)).metadata ?? {};
  await here.edit({ job: { resources: { limits: { memory: "1Gi" } } } });
  await expectWaiting(here, "ReplacingJob", ["starts anew once it and its pod are gone"]);
  await eventually(() => pod.deletion.aborted);
  expect((await onlyJob(here)).metadata?.uid, "the old one ends first").toBe(uid);
  await pod.terminate({ exitCode: 143 });
  const next = await waitingPod(here);
  expect(next.spec?.containers[0]?.resources?.limits).toMatchObject({ memory: "1Gi", cpu: "1" });
  expect((await onlyJob(here)).metadata?.uid).not.toBe(uid);
  await expectGoesOn(here, "web-01", await here.kubelet.run(next));
  expect(most()).toBe(1);
});

test("settings of the Job edited while it is suspended", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff();
  await waitingPod(here);
  await here.edit({ suspend: true });
  await expectSuspended(here);
  await here.edit({ job: { labels: { team: "blue" } } });
  await eventually(async () => (await here.jobs()).length === 0);
  await expectSuspended(here);
  await here.edit({ suspend: false });
  expect((await waitingPod(here)).metadata?.labels).toMatchObject({ team: "blue" });
  await expectGoesOn(here);
});

test("the retries and the deadline can be edited while the engine runs", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff();
  const pod = await working(here);
  const { uid } = (await onlyJob(here)).metadata ?? {};
  await here.edit({ backoffLimit: 0, activeDeadlineSeconds: 600 });
  await eventually(async () => {
    const { metadata, spec } = await onlyJob(here);
    expect(metadata?.uid).toBe(uid);
    expect(spec).toMatchObject({ backoffLimit: 0, activeDeadlineSeconds: 600 });
    return true;
  });
  await pod.terminate({ exitCode: 1 });
  await expectFailed(here, "InternalError", ["exit code 1"]);
  expect(await here.pods()).toHaveLength(1);
});
