/** Two replicas: one leads, the other takes over, and never do both write. */
import { expect, test } from "vitest";
import { AuditTrail } from "../audit.ts";
import { adminClient, cluster } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import { writesOf } from "./account.ts";
import { result, succeeds } from "./engine.ts";
import { startProxy, whole } from "./proxy.ts";
import { leadsAfter, Replicas } from "./replicas.ts";
import { stage } from "./stage.ts";
import type { World } from "./world.ts";

const admin = adminClient();

/** The lease's 15 seconds from when a candidate last looked, which it does every 2 to 4.4 seconds. */
const TAKEOVER_SECONDS = 20;

test("a frozen leader is replaced, and writes nothing once it thaws", async () => {
  const here = await stage(admin);
  const replicas = new Replicas(here);
  const trail = new AuditTrail(cluster());
  const proxy = await startProxy();
  const a = await replicas.start("a", proxy.url);
  await leadsAfter(a, performance.now());
  const b = await replicas.start("b");
  expect(await replicas.lease.holder()).toBe("a");
  expect((await b.controller.metrics()).value("imagediff_leader")).toBe(0);
  await wholeLife(here, "web-00");
  expect(writesOf(trail, a.who).length).toBeGreaterThan(3);
  expect(writesOf(trail, b.who)).toEqual([]);

  // It has just been told that nobody uses the images: the next thing to do is the Job.
  const asked = Promise.withResolvers<void>();
  const frozen = Promise.withResolvers<void>();
  proxy.rule = async ({ path, query }, forward) => {
    if (!path.endsWith("/pods") || query.get("fieldSelector") === null) return forward();
    const answer = await whole(await forward());
    asked.resolve();
    await frozen.promise;
    return answer;
  };
  await here.imageDiff("web-01");
  await asked.promise;
  const frozenAt = performance.now();
  a.controller.freeze();
  frozen.resolve();
  expect(await leadsAfter(b, frozenAt)).toBeLessThan(TAKEOVER_SECONDS);
  expect(await replicas.lease.holder()).toBe("b");
  await succeeds(await here.place(), result("/volumes/thin/web-01.qcow2"));
  await here.ready("OverlayReady", "web-01");

  const written = writesOf(trail, a.who).length;
  const acts = a.controller.said("acts").length;
  a.controller.thaw();
  // It wanted to.
  await eventually(() => a.controller.said("acts").length > acts);
  await eventually(() => a.controller.said("Leads no more").length === 1);
  expect(await a.controller.leads()).toBe(false);
  await wholeLife(here, "web-02");
  expect(writesOf(trail, a.who)).toHaveLength(written);
  expect(await replicas.lease.holder()).toBe("b");
  expect(await here.jobs()).toHaveLength(3);
});

test("a leader that ends in order hands over at once; one that loses the lease hands it over too", async () => {
  const here = await stage(admin);
  const replicas = new Replicas(here);
  const trail = new AuditTrail(cluster());
  const a = await replicas.start("a");
  await leadsAfter(a, performance.now());
  const b = await replicas.start("b");

  const stoppedAt = performance.now();
  const [end, seconds] = await Promise.all([a.controller.stop(), leadsAfter(b, stoppedAt)]);
  expect(end).toMatchObject({ code: 0 });
  expect(end.seconds).toBeLessThan(3);
  // A candidate looks every 2 to 4.4 seconds.
  expect(seconds).toBeLessThan(7);
  await wholeLife(here, "web-01");
  expect(writesOf(trail, b.who).length).toBeGreaterThan(3);

  const c = await replicas.start("c");
  await replicas.lease.delete();
  const holder = await eventually(async () => replicas.lease.holder());
  const [winner, loser] = holder === "b" ? [b, c] : [c, b];
  await eventually(
    async () => (await winner.controller.leads()) && !(await loser.controller.leads()),
  );
  const before = writesOf(trail, loser.who).length;
  await wholeLife(here, "web-02");
  expect(writesOf(trail, loser.who)).toHaveLength(before);
  expect(await here.jobs()).toHaveLength(2);
});

/** An ImageDiff is made and succeeds. */
async function wholeLife(here: World, name: string): Promise<void> {
  await here.imageDiff(name);
  await succeeds(await here.place(), result(`/volumes/thin/${name}.qcow2`));
  await here.ready("OverlayReady", name);
}
