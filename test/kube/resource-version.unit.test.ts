import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compareVersions } from "../../src/kube/resource-version.ts";

test("decimal versions of any length compare by value", () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 1n, max: 2n ** 128n }),
      fc.bigInt({ min: 1n, max: 2n ** 128n }),
      (a, b) => {
        const compared = compareVersions(String(a), String(b)) ?? Number.NaN;
        expect(Math.sign(compared)).toBe(a < b ? -1 : Number(a > b));
      },
    ),
  );
});

test.each([
  ["", "1"],
  ["1", ""],
  ["0", "1"],
  ["01", "2"],
  ["1", "1a"],
  ["-1", "1"],
  ["a", "b"],
])("%j and %j do not compare", (a, b) => {
  expect(compareVersions(a, b)).toBeUndefined();
});

test("what is the same is the same, whatever it is", () => {
  expect(compareVersions("opaque", "opaque")).toBe(0);
});
