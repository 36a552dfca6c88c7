/** Deleted in every phase, by its user, its namespace or its time to live: all of it goes. */
import { expect, test } from "vitest";
import { GROUP } from "../../../src/api/resource.ts";
import { adminClient } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import type { PlayedPod } from "../pod.ts";
import { fails, result, succeeds } from "./engine.ts";
import { claimsForMany, expectFailed, expectGoesOn, placed } from "./states.ts";
import { world, type World } from "./world.ts";

const admin = adminClient();

/** Brings an ImageDiff into a phase. */
type Reach = (here: World, name: string) => Promise<PlayedPod | void>;

const phases: Record<string, { spec?: Record<string, unknown>; reach: Reach }> = {
  new: { reach: async () => undefined },
  "waiting-for-a-claim": {
    spec: { base: { claimName: "nowhere" } },
    reach: async (here, name) => void (await here.ready("ClaimMissing", name)),
  },
  suspended: {
    spec: { suspend: true },
    reach: async (here, name) => void (await here.ready("Suspended", name)),
  },
  "with-a-job": { reach: async (here, name) => void (await here.ready("JobCreated", name)) },
  starting: {
    reach: async (here, name) => {
      const pod = await placed(here, name);
      await pod.waiting("ErrImagePull", "not found");
      await here.ready("ImagePullFailed", name);
    },
  },
  running: {
    reach: async (here, name) => {
      const pod = await placed(here, name);
      await pod.start();
      await here.ready("Starting", name);
    },
  },
  "in-back-off": {
    reach: async (here, name) => {
      await fails(await placed(here, name), "NoSpace");
      await here.ready("NoSpace", name);
    },
  },
  failed: {
    reach: async (here, name) => {
      await fails(await placed(here, name), "SizeMismatch");
      await expectFailed(here, "SizeMismatch", [], { name });
    },
  },
  succeeded: {
    reach: async (here, name) => {
      await succeeds(await placed(here, name), result(`/volumes/thin/${name}.qcow2`));
      await here.ready("OverlayReady", name);
    },
  },
};

async function reached(here: World): Promise<void> {
  await Promise.all(
    Object.entries(phases).map(async ([name, { spec, reach }]) => {
      await here.imageDiff(name, spec);
      await reach(here, name);
    }),
  );
}

test("deleted in any phase: it is gone at once, and its Job and pods go after it", async () => {
  const here = await world(admin);
  await claimsForMany(here);
  await reached(here);
  for (const name of Object.keys(phases)) {
    await admin.delete(here.path(name));
    expect(await admin.find(here.path(name)), `${name} has no finalizer`).toBeUndefined();
  }
  await eventually(async () => {
    expect(await here.jobs()).toEqual([]);
    expect(await here.pods()).toEqual([]);
    return true;
  });
});

test("deleted, and made again under the same name: it is another one", async () => {
  const here = await world(admin);
  await here.claims();
  const first = await here.imageDiff();
  await expectGoesOn(here);
  await admin.delete(here.path());
  const second = await here.imageDiff();
  expect(second.metadata.uid).not.toBe(first.metadata.uid);
  const { attempts } = await expectGoesOn(here);
  expect(attempts).toBe(1);
});

test("deleted in the foreground while its engine does not want to end: nothing hangs", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff();
  const pod = await placed(here);
  pod.ignoresSigterm = true;
  await pod.start();
  await here.ready("Starting");
  await admin.delete(here.path(), { propagationPolicy: "Foreground" });
  await eventually(async () => (await admin.find(here.path())) === undefined);
  await eventually(() => pod.deletion.aborted);
  await pod.terminate({ exitCode: 137 });
  await eventually(async () => {
    expect(await here.jobs()).toEqual([]);
    expect(await here.pods()).toEqual([]);
    return true;
  });
});

test("a namespace with ImageDiffs in every phase can be deleted", async () => {
  const here = await world(admin);
  await claimsForMany(here);
  await reached(here);
  await admin.delete(`/api/v1/namespaces/${here.space}`);
  // The namespace controller looks again only every few seconds.
  await eventually(
    async () => {
      expect(await admin.find(`/api/v1/namespaces/${here.space}`)).toBeUndefined();
      return true;
    },
    { timeoutMs: 60_000 },
  );
});

test("a time to live: it goes by itself after it has finished, however that was", async () => {
  const here = await world(admin);
  await claimsForMany(here);
  const ttlSecondsAfterFinished = 1;
  await here.imageDiff("good", { ttlSecondsAfterFinished });
  await here.imageDiff("bad", { ttlSecondsAfterFinished });
  await here.imageDiff("unfinished", { ttlSecondsAfterFinished });
  await here.imageDiff("for-ever");
  await succeeds(await placed(here, "for-ever"), result("/volumes/thin/for-ever.qcow2"));
  await here.ready("OverlayReady", "for-ever");
  await succeeds(await placed(here, "good"), result("/volumes/thin/good.qcow2"));
  await fails(await placed(here, "bad"), "SizeMismatch");
  for (const name of ["good", "bad"]) {
    await eventually(async () => (await admin.find(here.path(name))) === undefined);
  }
  await here.ready("JobCreated", "unfinished");
  await here.ready("OverlayReady", "for-ever");
  await eventually(async () => {
    const jobs = await here.jobs();
    const names = new Set(jobs.map(({ metadata }) => metadata?.labels?.[`${GROUP}/name`]));
    expect(names).toEqual(new Set(["for-ever", "unfinished"]));
    return true;
  });
});

test("a time to live that is set later counts from the end of the work", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff("web-01", { ttlSecondsAfterFinished: 100_000 });
  await expectGoesOn(here);
  await here.edit({ ttlSecondsAfterFinished: 0 });
  await eventually(async () => (await admin.find(here.path())) === undefined);
});
