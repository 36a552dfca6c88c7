import { expect, test } from "vitest";
import { quote } from "../../src/engine/text.ts";

test("no byte of a name reaches a terminal as a control", () => {
  const controls = Array.from({ length: 0xa0 }, (_, code) => String.fromCharCode(code));
  const quoted = quote(controls.join(""));
  expect(quoted).not.toMatch(/\p{Cc}/u);
  expect(JSON.parse(quoted)).toBe(controls.join(""));
  expect(quote("\u009b2J")).toBe('"\\u009b2J"');
});
