/** The administrator's caps: how many engines may run at once, and in which order. */
import { expect, onTestFinished, test } from "vitest";
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import { GROUP } from "../../../src/api/resource.ts";
import { AuditTrail } from "../audit.ts";
import { adminClient, cluster } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import { watch } from "../watch.ts";
import { claimsForMany, expectGoesOn, expectWaiting, placed, quota } from "./states.ts";
import { world, type World } from "./world.ts";

const admin = adminClient();

/** Who has had a Job, in that order, and how many were unfinished at most. */
async function counted({ space }: World): Promise<{ order: string[]; most: () => number }> {
  const order: string[] = [];
  const unfinished = new Set<string>();
  let most = 0;
  const end = new AbortController();
  const watching = watch<Job>(
    admin,
    `/apis/batch/v1/namespaces/${space}/jobs`,
    {},
    ({ type, object }) => {
      const name = object.metadata?.labels?.[`${GROUP}/name`] ?? "";
      if (!order.includes(name)) order.push(name);
      const over = object.status?.conditions?.some(
        (each) => each.status === "True" && ["Complete", "Failed"].includes(each.type),
      );
      if (type === "deleted" || over === true) unfinished.delete(name);
      else unfinished.add(name);
      most = Math.max(most, unfinished.size);
    },
    end.signal,
  );
  onTestFinished(async () => {
    end.abort();
    await watching.done;
  });
  await watching.ready;
  return { order, most: () => most };
}

test("--max-jobs: never more at once, first come, first served, and all have their turn", async () => {
  const here = await world(admin, { settings: { maxJobs: 2 } });
  await claimsForMany(here);
  const jobs = await counted(here);
  const names = ["first", "second", "third", "fourth", "fifth", "sixth"];
  for (const [place, name] of names.entries()) {
    await here.imageDiff(name);
    const words = ["no more Jobs at once (--max-jobs 2)", "when its turn comes"];
    if (place < 2) await here.ready("JobCreated", name);
    else await expectWaiting(here, "CapacityReached", words, { name });
  }
  expect(await here.jobs()).toHaveLength(2);
  for (const name of names) await expectGoesOn(here, name);
  expect(jobs.order).toEqual(names);
  expect(jobs.most()).toBe(2);
});

test("--max-jobs: one that fails, is deleted or suspended gives its place to the next", async () => {
  const here = await world(admin, { settings: { maxJobs: 1 } });
  await claimsForMany(here);
  const jobs = await counted(here);
  const names = ["first", "second", "third", "fourth"];
  await here.imageDiff("first");
  await here.ready("JobCreated", "first");
  for (const name of names.slice(1)) {
    await here.imageDiff(name);
    await expectWaiting(here, "CapacityReached", ["--max-jobs 1"], { name });
  }
  const first = await placed(here, "first");
  await first.start();
  await first.terminate({ exitCode: 3 });
  const second = await placed(here, "second");
  await second.start();
  await admin.delete(here.path("second"));
  await here.ready("JobCreated", "third");
  await here.edit({ suspend: true }, "third");
  await here.ready("Suspended", "third");
  const fourth = await placed(here, "fourth");
  await here.edit({ suspend: false }, "third");
  await expectWaiting(here, "CapacityReached", ["--max-jobs 1"], { name: "third" });
  await expectGoesOn(here, "fourth", fourth);
  await expectGoesOn(here, "third");
  expect(jobs.order).toEqual(names);
});

test("--max-jobs: those whose Job a quota forbids do not keep one another busy", async () => {
  const here = await world(admin, { settings: { maxJobs: 1 } });
  await claimsForMany(here);
  await quota(here, { "count/jobs.batch": "0" });
  const trail = new AuditTrail(cluster());
  const names = ["first", "second", "third", "fourth"];
  for (const name of names) await here.imageDiff(name);
  for (const name of names) await expectWaiting(here, "QuotaExceeded", ["was refused"], { name });
  const asked = await eventually(
    () => {
      const all = trail.records().filter(({ verb, objectRef: { namespace, resource } = {} }) => {
        return verb === "create" && namespace === here.space && resource === "jobs";
      });
      return all.length >= 2 * names.length && all;
    },
    { timeoutMs: 90_000, intervalMs: 1000 },
  );
  const moments = asked.map(({ requestReceivedTimestamp }) => Date.parse(requestReceivedTimestamp));
  // Each asks again after half a minute.
  expect(Math.max(...moments) - Math.min(...moments)).toBeGreaterThan(25_000);
});

test("--max-jobs-per-node: a pod that is on no node yet may come to any", async () => {
  const here = await world(admin, { settings: { maxJobsPerNode: 1 } });
  await claimsForMany(here);
  await here.imageDiff("first");
  await here.ready("JobCreated", "first");
  await here.imageDiff("second");
  const words = ["no more Jobs on a node at once (--max-jobs-per-node 1)"];
  await expectWaiting(here, "CapacityReached", words, { name: "second" });
  const first = await placed(here, "first");
  await first.start();
  await here.ready("Starting", "first");
  expect(await here.jobs()).toHaveLength(1);
  await expectGoesOn(here, "first", first);
  await expectGoesOn(here, "second");
});
