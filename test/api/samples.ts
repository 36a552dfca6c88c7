/** Values of the resource's fields for properties: what the schema says, and what it forbids. */
import * as fc from "fast-check";
import { resourceSchema } from "../../src/api/crd.ts";
import type { StructuralSchema } from "../../src/api/structural.ts";
import { fieldsWith, type Fields } from "./manifests.ts";

/** Strings that some field takes, that some rule is about, or that two programs read differently. */
const words = [
  ...["golden", "web-01-root", "thin-images", "a.b-c.0", "-a", "a-", "A", "a..b", "é"],
  ...[
    "disk.img",
    "a/b.qcow2",
    "web-01.qcow2",
    "web-01.qed",
    "/a",
    "a/",
    "a//b",
    "../a",
    "..a",
    ".",
  ],
  ...["64Ki", "512", "4Ki", "0512", "1Mi", "2097152", "4Mi", "64k", "1.5Ki", "+4Ki", "1e3"],
  ...["nbd:x", "./a:b", "json:{}", "../golden/disk.img", "500m", "2Gi", ".5", "1.", "-1", "5Q"],
  ...["", " ", "a b", "\n", "a\u0000b", "a\u007fb", "a\u0085b", "a\u00a0b", "a\u2028b", "\ufeff"],
  ...["x".repeat(63), "x".repeat(64), "x".repeat(253), "x".repeat(256), "\u{1f4be}".repeat(255)],
  ...["tier", "example.com/tier", "a/b/c", "_a", "a_b.c-d", "Example.com/tier"],
];

const text = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...words) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme" }) },
  { weight: 1, arbitrary: fc.string({ unit: "binary" }).map((string) => string.toWellFormed()) },
);

/** Values that hardly any field takes. */
const anything = fc.oneof(
  fc.constantFrom<unknown>(null, true, 0, -1, 1.5, 2 ** 31, 2 ** 53, 1e21, {}, [], [null]),
  text,
);

function integer({ minimum = -1000, maximum = 2 ** 40 }: StructuralSchema): fc.Arbitrary<number> {
  return fc.oneof(
    fc.integer({ min: minimum, max: Math.min(maximum, 2 ** 31 - 1) }),
    fc.constantFrom(minimum, maximum, minimum - 1, maximum + 1),
  );
}

/** Mostly what this schema takes. */
function valueOf(schema: StructuralSchema): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 20, arbitrary: fittingValue(schema) },
    { weight: 1, arbitrary: anything },
  );
}

function fittingValue(schema: StructuralSchema): fc.Arbitrary<unknown> {
  if (schema["x-kubernetes-int-or-string"] === true) return fc.oneof(text, fc.nat());
  if (schema["x-kubernetes-preserve-unknown-fields"] === true) {
    return fc.dictionary(fc.constantFrom("a", "b"), fc.jsonValue());
  }
  switch (schema.type) {
    case "boolean":
      return fc.boolean();
    case "integer":
      return integer(schema);
    case "string":
      return schema.enum === undefined ? text : fc.constantFrom(...schema.enum);
    case "array":
      return fc.array(valueOf(schema.items ?? {}), { maxLength: 3 });
    default:
      return objectOf(schema);
  }
}

function objectOf({
  properties,
  required = [],
  additionalProperties,
}: StructuralSchema): fc.Arbitrary<unknown> {
  if (properties === undefined) {
    return fc.dictionary(
      fc.constantFrom("tier", "cpu", "a/b", "a b"),
      valueOf(additionalProperties ?? {}),
    );
  }
  const fields = Object.entries(properties).map(([name, field]) => [name, valueOf(field)]);
  return fc.record(Object.fromEntries(fields) as Record<string, fc.Arbitrary<unknown>>, {
    requiredKeys: required,
  });
}

/** Every field of the spec by its path, those inside of lists and maps as parts of these. */
function specFields(schema: StructuralSchema, path: string): [string, StructuralSchema][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => [
    [`${path}.${name}`, field],
    ...specFields(field, `${path}.${name}`),
  ]);
}

const spec = resourceSchema().properties?.["spec"] ?? {};

/** A change of one field of the spec: to a value, or away. */
const change = fc
  .constantFrom(...specFields(spec, "spec"))
  .chain(([path, field]) =>
    fc.tuple(
      fc.constant(path),
      fc.oneof(
        { weight: 10, arbitrary: valueOf(field) },
        { weight: 1, arbitrary: fc.constant(undefined) },
      ),
    ),
  );

/** The smallest manifest after a few changes to its spec; about every second one is valid. */
export const manifests: fc.Arbitrary<Fields> = fc
  .array(change, { minLength: 1, maxLength: 3 })
  .map((changes) => fieldsWith(Object.fromEntries(changes)));
