/** What must hold of every plan, whatever happens in whatever order. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Controller } from "./controller.ts";
import { endings, World } from "./world.ts";

type Deed = (world: World, controller: Controller) => void;

const claims = fc.constantFrom("golden", "web-01-root", "thin-images", "unrelated");
const podNames = fc.constantFrom("shell", "vm");
const endingNames = fc.constantFrom(...(Object.keys(endings) as (keyof typeof endings)[]));

const deed: fc.Arbitrary<Deed> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.nat(3).map(
      (lag): Deed =>
        (_, each) =>
          void each.reconcile(lag),
    ),
  },
  {
    weight: 8,
    arbitrary: endingNames.map(
      (name): Deed =>
        (world) =>
          world.turn(name),
    ),
  },
  fc.boolean().map(
    (suspend): Deed =>
      (world) =>
        world.edit({ suspend }),
  ),
  fc.nat(2).map(
    (backoffLimit): Deed =>
      (world) =>
        world.edit({ backoffLimit }),
  ),
  fc.constantFrom("RequireIdle" as const, "AllowReadOnly" as const).map(
    (sourceUse): Deed =>
      (world) =>
        world.edit({ sourceUse }),
  ),
  fc.constantFrom("1Gi", "2Gi").map(
    (memory): Deed =>
      (world) =>
        world.edit({ job: { resources: { limits: { memory } } } }),
  ),
  fc.tuple(podNames, claims, fc.boolean()).map(
    ([pod, claim, readOnly]): Deed =>
      (world) =>
        world.addUser(pod, claim, readOnly, "node-1"),
  ),
  podNames.map((name): Deed => (world) => {
    world.users = world.users.filter(({ pod }) => pod.metadata?.name !== name);
  }),
  claims.map(
    (name): Deed =>
      (world) =>
        void world.missing.add(name),
  ),
  claims.map(
    (name): Deed =>
      (world) =>
        void world.missing.delete(name),
  ),
  fc.constant<Deed>((world) => world.jobs.forEach((job) => world.deleteJob(job))),
);

test("every plan is sound, and a world left alone comes to an end", () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.array(deed, { minLength: 20, maxLength: 80 }), (deeds) => {
      const world = new World();
      const controller = new Controller(world);
      for (const act of deeds) {
        act(world, controller);
        controller.look();
        for (const { type, reason } of world.status.conditions ?? []) seen.add(`${type} ${reason}`);
      }
      world.users = [];
      world.missing.clear();
      world.edit({ suspend: false });
      for (let round = 0; round < 30 && world.status.completionTime === undefined; round += 1) {
        controller.reconcile(0);
        world.turn("done");
      }
      expect(["Succeeded", "Failed"]).toContain(world.status.phase);
      const made = world.made;
      world.edit({ job: { labels: { another: "one" } } });
      world.jobs = [];
      expect(controller.reconcile(0).actions).toEqual([]);
      expect(controller.reconcile(0).status).toEqual(world.status);
      expect(world.made).toBe(made);
    }),
    { numRuns: 120 },
  );
  // The deeds do lead to where it is worth being.
  expect([...seen]).toEqual(
    expect.arrayContaining([
      "Ready ClaimMissing",
      "Ready JobCreated",
      "Ready OverlayReady",
      "Ready ReplacingJob",
      "Ready SourcesInUse",
      "Ready Starting",
      "Ready Suspended",
      "Stalled SizeMismatch",
    ]),
  );
});
