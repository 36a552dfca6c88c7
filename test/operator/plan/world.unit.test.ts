/** What must hold of every plan, whatever happens in whatever order. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Controller, upToDate, type Lag } from "./controller.ts";
import { endings, World } from "./world.ts";

type Deed = (world: World, controller: Controller) => void;

const lag: fc.Arbitrary<Lag> = fc.record({
  resource: fc.nat(2),
  jobs: fc.nat(3),
  pods: fc.nat(3),
  users: fc.nat(3),
  claims: fc.nat(3),
});
const ending = fc.constantFrom(...(Object.keys(endings) as (keyof typeof endings)[]));
const claim = fc.constantFrom("golden", "web-01-root", "thin-images", "unrelated");
const podName = fc.constantFrom("shell", "vm");
const memory = fc.constantFrom("1Gi", "2Gi");
const sourceUse = fc.constantFrom("RequireIdle" as const, "AllowReadOnly" as const);

/** What the operator does, and what the cluster does. */
const reconcile = lag.map(
  (behind): Deed =>
    (_, each) =>
      void each.reconcile(behind),
);
const turn = ending.map(
  (name): Deed =>
    (world) =>
      world.turn(name),
);

/** What people do. */
const interference = fc.oneof(
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
  sourceUse.map(
    (use): Deed =>
      (world) =>
        world.edit({ sourceUse: use }),
  ),
  memory.map(
    (size): Deed =>
      (world) =>
        world.edit({ job: { resources: { limits: { memory: size } } } }),
  ),
  fc.tuple(podName, claim, fc.boolean()).map(
    (user): Deed =>
      (world) =>
        world.addUser(...user),
  ),
  podName.map(
    (name): Deed =>
      (world) =>
        world.removeUser(name),
  ),
  claim.map(
    (name): Deed =>
      (world) =>
        void world.missing.add(name),
  ),
  claim.map(
    (name): Deed =>
      (world) =>
        void world.missing.delete(name),
  ),
  fc.constant<Deed>((world) => world.jobs.forEach((job) => world.deleteJob(job))),
);

const deed = fc.oneof(
  { weight: 3, arbitrary: reconcile },
  { weight: 4, arbitrary: turn },
  { weight: 2, arbitrary: interference },
);

/** Everybody lets the world be, and the operator goes on until it is done. */
function letBe(world: World, controller: Controller): void {
  world.users = [];
  world.missing.clear();
  world.edit({ suspend: false });
  for (let round = 0; round < 30 && world.status.completionTime === undefined; round += 1) {
    controller.reconcile(upToDate);
    world.turn("done");
  }
}

test("every plan is sound, and a world left alone comes to an end", () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.array(deed, { minLength: 10, maxLength: 60 }), (deeds) => {
      const world = new World();
      const controller = new Controller(world);
      for (const act of deeds) {
        act(world, controller);
        controller.look();
        for (const { type, reason } of world.status.conditions ?? []) seen.add(`${type} ${reason}`);
      }
      letBe(world, controller);
      expect(["Succeeded", "Failed"]).toContain(world.status.phase);
      const { made } = world;
      world.edit({ job: { labels: { another: "one" } } });
      world.jobs = [];
      expect(controller.reconcile(upToDate).actions).toEqual([]);
      expect(controller.reconcile(upToDate).status).toEqual(world.status);
      expect(world.made).toBe(made);
    }),
    { numRuns: 200 },
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
