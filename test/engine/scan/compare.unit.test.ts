import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ALL_SUBCLUSTERS, ChangeList, changesIn } from "../../../src/engine/scan/changes.ts";
import { compareCluster, isEqual, isZero } from "../../../src/engine/scan/compare.ts";

const CLUSTER = 64;
const RUNS = { numRuns: 1000 };

/** Few distinct bytes, so that runs of zeroes and equal bytes are common. */
const bytes = fc
  .array(fc.tuple(fc.constantFrom(0, 0, 1, 255), fc.constantFrom(1, 2, 3, 16, CLUSTER)), {
    maxLength: 40,
  })
  .map((runs) => {
    const all = Buffer.concat(runs.map(([byte, length]) => Buffer.alloc(length, byte)));
    return Buffer.concat([all, Buffer.alloc(3 * CLUSTER)]).subarray(0, 3 * CLUSTER);
  });
const side = fc.option(bytes);

function modelled(base: Buffer | null, modified: Buffer | null, from: number, to: number) {
  const before = [...(base ?? Buffer.alloc(to))].slice(from, to);
  const after = [...(modified ?? Buffer.alloc(to))].slice(from, to);
  if (before.every((byte, index) => byte === after[index])) return "same";
  return after.every((byte) => byte === 0) ? "zero" : "data";
}

test("isZero and isEqual look at every byte of the range, and at no other", () => {
  const property = fc.property(
    bytes,
    bytes,
    fc.nat(CLUSTER),
    fc.nat(CLUSTER),
    (a, b, from, more) => {
      const [left, right] = [a.subarray(from, from + more), b.subarray(from, from + more)];
      expect(isZero(a, from, from + more)).toBe(left.every((byte) => byte === 0));
      expect(isEqual(a, b, from, from + more)).toBe([...left].join() === [...right].join());
    },
  );
  fc.assert(property, RUNS);
});

test("a whole cluster is the same, zero or data", () => {
  const property = fc.property(side, side, fc.nat(2), (base, modified, index) => {
    const [from, to] = [index * CLUSTER, (index + 1) * CLUSTER];
    const expected = {
      same: undefined,
      zero: { dataBits: 0, zeroBits: ALL_SUBCLUSTERS },
      data: { dataBits: ALL_SUBCLUSTERS, zeroBits: 0 },
    }[modelled(base, modified, from, to)];
    expect(compareCluster(base, modified, from, to, false)).toEqual(expected);
  });
  fc.assert(property, RUNS);
});

test("subclusters count one by one", () => {
  const property = fc.property(side, side, fc.nat(2), (base, modified, index) => {
    const [from, to] = [index * CLUSTER, (index + 1) * CLUSTER];
    const states = Array.from({ length: 32 }, (_, bit) =>
      modelled(base, modified, from + bit * 2, from + bit * 2 + 2),
    );
    const bitsOf = (wanted: string): number =>
      states.reduce((sum, state, bit) => sum + (state === wanted ? 2 ** bit : 0), 0);
    const change = { dataBits: bitsOf("data"), zeroBits: bitsOf("zero") };
    const same = states.every((state) => state === "same");
    expect(compareCluster(base, modified, from, to, true)).toEqual(same ? undefined : change);
  });
  fc.assert(property, RUNS);
});

test("changes come out as they went in, in their order, and only once", () => {
  const word = fc.integer({ min: 0, max: ALL_SUBCLUSTERS });
  const change = fc.record({ cluster: word, length: word, dataBits: word, zeroBits: word });
  const property = fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
    const list = new ChangeList();
    for (const one of changes) list.add(one);
    expect(list.count).toBe(changes.length);
    expect([...changesIn(list.take())]).toEqual(changes);
    expect([...changesIn(list.take())]).toEqual([]);
  });
  fc.assert(property, { numRuns: 200 });
});
