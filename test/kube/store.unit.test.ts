import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Store, type Change } from "../../src/kube/store.ts";
import { stored, type Thing } from "./objects.ts";

const indexes = {
  parity: ({ value = 0 }: Thing) => [value % 2 === 0 ? "even" : "odd"],
  digits: ({ value = 0 }: Thing) => [...new Set(String(value))],
  none: () => [],
};

const names = fc.constantFrom("a", "b", "c", "d");
const things = fc
  .tuple(names, fc.nat(3), fc.nat(99))
  .map(([name, life, value]) => stored(name, `${name}-${life}`, `${life}${value}`, value));
const steps = fc.oneof(
  fc.record({
    replaceAll: fc.uniqueArray(things, { selector: (object) => object.metadata?.name }),
  }),
  fc.record({ upsert: things }),
  fc.record({ remove: names }),
);

/** What the changes make of what somebody knew. */
function follow(known: Map<string, Thing>, changes: ReadonlyArray<Change<Thing>>): void {
  for (const { before, after } of changes) {
    const name = (after ?? before)?.metadata?.name ?? "";
    expect(known.get(name)).toBe(before);
    if (after !== undefined) known.set(name, after);
    else known.delete(name);
    const uids = [before, after].flatMap((object) => object?.metadata?.uid ?? []);
    expect(new Set(uids).size).toBe(1);
  }
}

test("a store is what a map would be, its indexes are true, and its changes tell all", () => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 30 }), (sequence) => {
      const store = new Store<Thing>(indexes);
      const model = new Map<string, Thing>();
      const known = new Map<string, Thing>();
      const put = (object: Thing): void => void model.set(object.metadata?.name ?? "", object);
      for (const step of sequence) {
        if ("upsert" in step) {
          put(step.upsert);
          follow(known, store.upsert(step.upsert));
        } else if ("remove" in step) {
          model.delete(step.remove);
          follow(known, store.remove({ namespace: "default", name: step.remove }));
        } else {
          model.clear();
          for (const object of step.replaceAll) put(object);
          follow(known, store.replaceAll(step.replaceAll));
        }
        expect(new Map([...store.all()].map((one) => [one.metadata?.name, one]))).toEqual(model);
        expect(known).toEqual(model);
        expect(store.size).toBe(model.size);
        for (const [name, index] of Object.entries(indexes)) {
          const values = new Set([...model.values()].flatMap((object) => index(object)));
          for (const value of [...values, "nowhere"]) {
            const expected = [...model.values()].filter((object) => index(object).includes(value));
            expect(new Set(store.by(name, value))).toEqual(new Set(expected));
          }
        }
      }
    }),
  );
});

test("the same version again is no change", () => {
  const store = new Store<Thing>();
  const object = stored("a", "uid", "5");
  expect(store.upsert(object)).toEqual([{ after: object }]);
  expect(store.upsert({ ...object })).toEqual([]);
  expect(store.replaceAll([{ ...object }])).toEqual([]);
});

test("an object deleted and made again under the same name goes and comes", () => {
  const store = new Store<Thing>();
  const before = stored("a", "one", "5");
  const after = stored("a", "two", "7");
  store.upsert(before);
  expect(store.upsert(after)).toEqual([{ before }, { after }]);
  expect(store.get({ namespace: "default", name: "a" })).toBe(after);
  expect(store.replaceAll([before])).toEqual([{ before: after }, { after: before }]);
});

test("the same name in another namespace, or in none, is another object", () => {
  const store = new Store<Thing>();
  const other = { ...stored("a", "two", "2"), metadata: { namespace: "other", name: "a" } };
  const none = { metadata: { name: "a" } };
  store.replaceAll([stored("a", "one", "1"), other, none]);
  expect(store.size).toBe(3);
  expect(store.get({ namespace: "other", name: "a" })).toBe(other);
  expect(store.get({ name: "a" })).toBe(none);
});

test("an index that there is not is a mistake, not an empty answer", () => {
  expect(() => new Store().by("volume", "x")).toThrow("The store has no index volume.");
});
