import { expect, test } from "vitest";
import {
  ApiError,
  apiError,
  isAlreadyExists,
  isConflict,
  isForbidden,
  isGone,
  isNotFound,
} from "../../src/kube/api-error.ts";

function status(fields: object): string {
  return JSON.stringify({ kind: "Status", status: "Failure", ...fields });
}

test("the message is a sentence with the server's own words", () => {
  const message = 'things.example.org "a" not found';
  const error = apiError(
    "get Thing default/a",
    { status: 404, headers: {} },
    status({ reason: "NotFound", message }),
  );
  expect(error.message).toBe(
    'Cannot get Thing default/a: things.example.org "a" not found (404 NotFound).',
  );
  expect(error).toMatchObject({ name: "ApiError", status: 404, reason: "NotFound" });
});

test.each([
  "<html>secret</html>",
  "",
  "null",
  "[]",
  '"text"',
  '{"kind":"Secret","message":"secret"}',
  "{",
])("a body that is no Status is not repeated: %j", (body) => {
  const error = apiError("list things", { status: 503, headers: {} }, body);
  expect(error.message).toBe("Cannot list things: the API server answered HTTP 503.");
  expect(error.reason).toBe("HTTP 503");
});

test("a message that is too long is cut", () => {
  const error = new ApiError("get Thing a", 400, { message: "x".repeat(100_000) });
  expect(error.message.length).toBeLessThan(1100);
});

test("causes say which field", () => {
  const causes = [
    { reason: "FieldValueInvalid", field: "spec.mode", message: "Unsupported value" },
  ];
  const error = new ApiError("create Thing a", 422, { reason: "Invalid", details: { causes } });
  expect(error.causes).toEqual(causes);
});

test.each([
  [{ "retry-after": "7" }, {}, 7],
  [{ "retry-after": "0" }, {}, 0],
  [{ "retry-after": " 3 " }, {}, 3],
  // By the server's clock, whatever ours says.
  [
    { "retry-after": "Wed, 21 Oct 2015 07:28:30 GMT", date: "Wed, 21 Oct 2015 07:28:00 GMT" },
    {},
    30,
  ],
  [
    { "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", date: "Wed, 21 Oct 2015 07:28:30 GMT" },
    {},
    0,
  ],
  [{ "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT" }, {}, 0],
  [{}, { retryAfterSeconds: 5 }, 5],
  [{ "retry-after": "soon" }, { retryAfterSeconds: 5 }, 5],
  [{ "retry-after": "-1" }, {}, undefined],
  [{ "retry-after": "never GMT" }, {}, undefined],
  [{}, {}, undefined],
])("%j and %j ask for %s seconds", (headers: Record<string, string>, details, seconds) => {
  const error = apiError("list things", { status: 429, headers }, status({ details }));
  expect(error.retryAfterSeconds).toBe(seconds);
});

test("what is asked about an error is true of that alone", () => {
  const tests = { isNotFound, isConflict, isAlreadyExists, isForbidden, isGone };
  const errors = {
    isNotFound: new ApiError("x", 404),
    isConflict: new ApiError("x", 409, { reason: "Conflict" }),
    isAlreadyExists: new ApiError("x", 409, { reason: "AlreadyExists" }),
    isForbidden: new ApiError("x", 403),
    isGone: new ApiError("x", 410),
  };
  for (const [name, is] of Object.entries(tests)) {
    const which = Object.entries(errors).filter(([, error]) => is(error));
    expect(which.map(([error]) => error)).toEqual([name]);
    expect(is(new Error("404"))).toBe(false);
    expect(is(undefined)).toBe(false);
  }
});
