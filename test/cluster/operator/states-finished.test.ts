/** What has finished is not done again, whatever happens to it later. */
import { expect, test } from "vitest";
import { adminClient } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import { expectKstatus, type Verdict } from "../../operator/plan/kstatus.ts";
import { fails, result, succeeds } from "./engine.ts";
import { conditionOf, expectFailed, expectGoesOn, onlyJob, placed, working } from "./states.ts";
import { startController, world, type World } from "./world.ts";

const admin = adminClient();

/** The generation that the last edit has made, once the status is about it; nothing else moves. */
async function expectRests(here: World, verdict: Verdict): Promise<void> {
  const before = (await here.get()).status;
  await eventually(async () => {
    const resource = await here.get();
    const { status, metadata } = resource;
    expect(status.observedGeneration).toBe(metadata.generation);
    expect(expectKstatus(resource)).toBe(verdict);
    const { observedGeneration: _, conditions: _conditions, ...rest } = status;
    expect(before).toMatchObject(rest);
    return true;
  });
}

test.for([
  {
    how: "well",
    verdict: "Current" as const,
    finish: async (here: World): Promise<void> => {
      await expectGoesOn(here);
    },
  },
  {
    how: "badly",
    verdict: "Failed" as const,
    finish: async (here: World): Promise<void> => {
      await fails(await placed(here), "SizeMismatch", "spec.base: no.");
      await expectFailed(here, "SizeMismatch", ["spec.base: no."]);
    },
  },
])("finished $how: edits, a deleted Job and another controller change nothing", async (ending) => {
  const { verdict, finish } = ending;
  const here = await world(admin, { controller: false });
  await here.claims();
  await here.imageDiff();
  const { stop } = await startController(admin, here.space);
  await finish(here);
  const { uid } = (await onlyJob(here)).metadata ?? {};

  await here.edit({ suspend: true });
  await expectRests(here, verdict);
  await here.edit({ suspend: false });
  await here.edit({ job: { resources: { limits: { memory: "1Gi" } } } });
  await here.edit({ backoffLimit: 7, activeDeadlineSeconds: 60, sourceUse: "AllowReadOnly" });
  await expectRests(here, verdict);
  expect((await onlyJob(here)).metadata?.uid).toBe(uid);

  const path = `/apis/batch/v1/namespaces/${here.space}/jobs`;
  await admin.delete(`${path}/${(await onlyJob(here)).metadata?.name}`, {
    propagationPolicy: "Background",
  });
  await eventually(async () => (await here.pods()).length === 0);
  await here.edit({ backoffLimit: 8 });
  await expectRests(here, verdict);
  expect(await here.jobs()).toEqual([]);

  await stop();
  await here.edit({ suspend: true });
  await startController(admin, here.space, { settings: { engineImage: "example.com/newer:1" } });
  await expectRests(here, verdict);
  await here.edit({ suspend: false });
  await expectRests(here, verdict);
  expect(await here.jobs()).toEqual([]);
  await here.remove("persistentvolumeclaims", "root");
  await here.edit({ backoffLimit: 9 });
  await expectRests(here, verdict);
});

test("work that goes on when another controller with another engine image starts stays as it is", async () => {
  const here = await world(admin, { controller: false });
  await here.claims();
  await here.imageDiff();
  const { stop } = await startController(admin, here.space);
  const pod = await working(here);
  const { uid } = (await onlyJob(here)).metadata ?? {};
  await stop();
  await startController(admin, here.space, {
    settings: { engineImage: "example.com/newer:1", resources: { limits: { memory: "2Gi" } } },
  });
  await expectGoesOn(here, "web-01", pod);
  expect((await onlyJob(here)).metadata?.uid).toBe(uid);
});

test("an Estimate finishes without an output, and needs no claim for one", async () => {
  const here = await world(admin);
  await Promise.all([here.claim("golden"), here.claim("root")]);
  await here.imageDiff("web-01", { mode: "Estimate", output: { claimName: "nowhere" } });
  const pod = await placed(here);
  const mounts = pod.object.spec?.containers[0]?.volumeMounts ?? [];
  const claims = mounts.filter(({ mountPath }) => mountPath.startsWith("/volumes/"));
  expect(claims.every(({ readOnly }) => readOnly === true)).toBe(true);
  expect(pod.object.spec?.containers[0]?.args?.[0]).toBe("estimate");
  await succeeds(pod, result(null));
  const status = await here.ready("Estimated");
  expect(status).toMatchObject({ phase: "Succeeded", savings: { percent: 99 } });
  expect(status.output).not.toHaveProperty("path");
  expect(conditionOf(status, "Verified")).toBeUndefined();
  expect(expectKstatus(await here.get())).toBe("Current");
});
