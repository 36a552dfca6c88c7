/** How many engines run at once. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Load, Observation, Settings } from "../../../src/operator/plan/observation.ts";
import { plan } from "../../../src/operator/plan/plan.ts";
import { Queue, QUEUED, type Move } from "./queue.ts";
import {
  actions,
  bound,
  claimsWith,
  conditions,
  observed,
  readyMessage,
  settings,
} from "./builders.ts";

const idle: Load = { jobs: 0, unplaced: 0, perNode: new Map(), starting: false, waitingBefore: 0 };

function withCaps(caps: Partial<Settings>, load: Partial<Load>): Observation {
  return observed({ settings: { ...settings, ...caps }, load: { ...idle, ...load } });
}

const waits = (observation: Observation) => plan(observation).waitsForPlace === true;

test.each<[boolean, number | undefined, Partial<Load>]>([
  [false, undefined, { jobs: 1000, waitingBefore: 1000 }],
  [false, 2, { jobs: 1 }],
  [true, 2, { jobs: 2 }],
  [true, 2, { jobs: 1, waitingBefore: 1 }],
  [false, 3, { jobs: 1, waitingBefore: 1 }],
  [true, 2, { waitingBefore: 5 }],
])("waits %s with a cap of %s and %j", (expected, maxJobs, load) => {
  expect(waits(withCaps(maxJobs === undefined ? {} : { maxJobs }, load))).toBe(expected);
});

test.each<[boolean, number, Partial<Load>]>([
  [false, 2, { perNode: new Map([["a", 1]]) }],
  [true, 2, { perNode: new Map([["a", 2]]) }],
  [true, 2, { perNode: new Map([["a", 1]]), unplaced: 1 }],
  [true, 1, { unplaced: 1 }],
  [false, 1, {}],
])("waits %s with a cap of %s on each node and %j", (expected, maxJobsPerNode, load) => {
  expect(waits(withCaps({ maxJobsPerNode }, load))).toBe(expected);
});

test("a place on a node may come free unheard: a Job that gets no pod stops counting", () => {
  const looks = (caps: Partial<Settings>, load: Partial<Load>) =>
    plan(withCaps(caps, load)).lookAgainSeconds;
  expect(looks({ maxJobsPerNode: 1 }, { unplaced: 1 })).toBe(60);
  expect(looks({ maxJobs: 1 }, { jobs: 1 })).toBeUndefined();
});

describe("a Job that has to go to one node", () => {
  const volumes = [{ name: "v", persistentVolumeClaim: { claimName: "thin-images" } }];
  const spec = { containers: [], volumes, nodeName: "a" };
  const users = [{ pod: { metadata: { name: "p" }, spec } }];
  const claims = claimsWith(bound("thin-images", { accessModes: ["ReadWriteOnce"] }));

  test.each<[boolean, Partial<Load>]>([
    [false, { perNode: new Map([["b", 2]]) }],
    [true, { perNode: new Map([["a", 2]]) }],
    [true, { perNode: new Map([["a", 1]]), unplaced: 1 }],
  ])("waits %s for the places of that node: %j", (expected, load) => {
    expect(waits({ ...withCaps({ maxJobsPerNode: 2 }, load), users, claims })).toBe(expected);
  });
});

test("what it waits for is told, without an alarm", () => {
  const observation = withCaps({ maxJobs: 1 }, { jobs: 1 });
  const planned = plan(observation);
  expect(actions(planned)).toEqual([]);
  expect(conditions(planned.status)).toEqual([
    "SourcesIdle=True/Idle",
    "Ready=False/CapacityReached",
    "Reconciling=True/CapacityReached",
  ]);
  expect(readyMessage(planned)).toBe(
    "The controller runs no more Jobs at once (--max-jobs 1): this one starts when its turn comes.",
  );
  expect(planned.announcements).toEqual([]);
  const onNode = plan(withCaps({ maxJobsPerNode: 1 }, { unplaced: 1 }));
  expect(readyMessage(onNode)).toContain("on a node at once (--max-jobs-per-node 1)");
});

test("who is in the way of itself does not queue", () => {
  const observation = withCaps({ maxJobs: 1 }, { jobs: 1 });
  const planned = plan({ ...observation, claims: new Map() });
  expect(planned).not.toHaveProperty("waitsForPlace");
  expect(conditions(planned.status)).toContain("Ready=False/ClaimMissing");
});

test("however Jobs come, are placed and end, no cap is exceeded, and all have their turn", () => {
  const move: fc.Arbitrary<Move> = fc.record({
    who: fc.nat(QUEUED - 1),
    what: fc.constantFrom("plan", "place", "end"),
    node: fc.nat(1),
  });
  const cap = fc.integer({ min: 1, max: 3 });
  fc.assert(
    fc.property(cap, cap, fc.array(move, { maxLength: 60 }), (maxJobs, maxJobsPerNode, moves) => {
      const queue = new Queue({ maxJobs, maxJobsPerNode });
      const everyone = (what: Move["what"]) =>
        Array.from({ length: QUEUED }, (_, who) => ({ who, what, node: 0 }));
      const round = [...everyone("plan"), ...everyone("place"), ...everyone("end")];
      for (const each of [...moves, ...Array.from({ length: QUEUED }, () => round).flat()]) {
        queue.move(each);
        expect(queue.jobs).toBeLessThanOrEqual(maxJobs);
        expect(queue.mostOnNode).toBeLessThanOrEqual(maxJobsPerNode);
      }
      expect(queue.done.size).toBe(QUEUED);
    }),
    { numRuns: 60 },
  );
});
