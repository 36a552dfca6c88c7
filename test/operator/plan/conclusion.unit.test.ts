import { expect, test } from "vitest";
import { conclusion } from "../../../src/operator/plan/conclusion.ts";
import { mismatch, result } from "./lines.ts";

test("the engine's own words count where they fit its exit code", () => {
  expect(conclusion(result, 0)).toBe(result);
  expect(conclusion(mismatch, 3)).toBe(mismatch);
});

test.each([
  [undefined, 0, 1],
  [undefined, 137, 137],
  [result, 1, 1],
])("%j with exit code %i is an internal error", (line, exitCode, expected) => {
  expect(conclusion(line, exitCode)).toMatchObject({
    type: "failure",
    reason: "InternalError",
    message: expect.stringContaining(`exit code ${exitCode}`),
    exitCode: expected,
  });
});
