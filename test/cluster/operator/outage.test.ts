/** The API server is away for half a minute: a control plane of this file's own. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { adminOf, startControlPlane, type ControlPlane } from "../control-plane.ts";
import { eventually } from "../eventually.ts";
import { shippedPermissions } from "../manifests.ts";
import { progressLine, result, succeeds } from "./engine.ts";
import { leadsAfter, Replicas } from "./replicas.ts";
import { node, stage } from "./stage.ts";

const OUTAGE_SECONDS = 30;

test("nobody leads while the API server is away, and then one goes on with the work", async () => {
  const plane = await controlPlane();
  const admin = adminOf(plane);
  onTestFinished(async () => admin.close());
  const here = await stage(admin, await node(plane), { timeoutMs: 60_000 });
  const replicas = new Replicas(here, plane);
  const a = await replicas.start("a");
  await leadsAfter(a, performance.now());
  const b = await replicas.start("b");
  const both = [a.controller, b.controller];
  const leaders = async (): Promise<number> =>
    (await Promise.all(both.map(async (one) => one.leads()))).filter(Boolean).length;
  await here.imageDiff();
  const pod = await here.place();
  await pod.start();
  pod.log().append(progressLine(10));
  await here.ready("Comparing");

  const awayAt = performance.now();
  await plane.stopApiServer("SIGKILL");
  await eventually(async () => (await leaders()) === 0);
  // The last renewal counts for ten seconds.
  expect(performance.now() - awayAt).toBeLessThan(11_000);
  await sleep(OUTAGE_SECONDS * 1000 - (performance.now() - awayAt));
  expect(await leaders()).toBe(0);
  expect(await Promise.all(both.map(async (one) => one.probe("/livez")))).toEqual([200, 200]);
  await plane.startApiServer();

  const backAt = performance.now();
  await eventually(async () => (await leaders()) === 1, { timeoutMs: 40_000 });
  expect(performance.now() - backAt).toBeLessThan(30_000);
  await pod.terminate({ exitCode: 0, message: JSON.stringify(result()) });
  await here.ready("OverlayReady");
  await here.imageDiff("web-02");
  await succeeds(await here.place(), result("/volumes/thin/web-02.qcow2"));
  await here.ready("OverlayReady", "web-02");
  expect(await here.jobs()).toHaveLength(2);
  expect(await leaders()).toBe(1);
});

/** With what a user installs, but for the controller itself. */
async function controlPlane(): Promise<ControlPlane> {
  const folder = mkdtempSync(join(tmpdir(), `imagediff-cluster-${process.pid}-`));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const plane = await startControlPlane(folder, { manifests: ["crds", ...shippedPermissions()] });
  onTestFinished(async () => plane.stop());
  return plane;
}
