/** What Kubernetes asks of the definition: structural, bounded, described, with its rules. */
import { expect, test } from "vitest";
import { crdFile, crdText } from "../../scripts/crd.ts";
import { printerColumns, resourceSchema, selectableFields } from "../../src/api/crd.ts";
import { ImageDiffStatus } from "../../src/api/status.ts";
import type { StructuralSchema } from "../../src/api/structural.ts";
import { textOf } from "../docs/texts.ts";

const root = resourceSchema();
const all = walk(root, "");
const fields = all.filter(({ path }) => path !== ".metadata");

function walk(node: StructuralSchema, path: string): { path: string; node: StructuralSchema }[] {
  const properties = Object.entries(node.properties ?? {});
  return [
    { path, node },
    ...properties.flatMap(([name, child]) => walk(child, `${path}.${name}`)),
    ...(node.items === undefined ? [] : walk(node.items, `${path}[]`)),
    ...(node.additionalProperties === undefined
      ? []
      : walk(node.additionalProperties, `${path}{}`)),
  ];
}

test("crds/ is what scripts/crd.ts makes of the schema", () => {
  // Once the schema has changed: npm run generate
  expect(textOf(crdFile)).toBe(crdText());
});

test("the schema has all the fields", () => {
  const paths = fields.map(({ path }) => path);
  expect(paths.length).toBeGreaterThan(100);
  expect(paths).toContain(".spec.job.tolerations[].key");
  expect(paths).toContain(".spec.job.resources.limits{}");
  expect(paths).toContain(".status.conditions[].lastTransitionTime");
});

/** What no structural schema has, and what one writes in another way. */
const FORBIDDEN = /^([$]ref|anyOf|oneOf|allOf|not|nullable|exclusiveM.*)$/;
const TYPES = ["object", "array", "string", "integer", "boolean"];

test.each(fields)("$path is structural", ({ node }) => {
  expect(Object.keys(node).filter((key) => FORBIDDEN.test(key))).toEqual([]);
  expect(node.additionalProperties, "an object is closed by pruning").not.toBe(false);
  const types = node["x-kubernetes-int-or-string"] === true ? [undefined] : TYPES;
  expect(types).toContain(node.type);
  expect(node.pattern ?? "", "RE2 has no such pattern").not.toMatch(/\(\?[=!<]|\\[1-9]/);
});

/** The words that bound a value of this node's type, if it has one that can be too long. */
function boundsFor(node: StructuralSchema): (keyof StructuralSchema)[] | undefined {
  if (node["x-kubernetes-int-or-string"] === true) return ["maxLength"];
  if (node.type === "array") return ["maxItems"];
  if (node.type === "string") return ["maxLength", "enum"];
  // Other objects have known fields only, or are Kubernetes' own.
  return node.additionalProperties === undefined ? undefined : ["maxProperties"];
}

test.each(fields)("$path is bounded", ({ node }) => {
  const bounds = boundsFor(node)?.map((bound) => bound in node) ?? [true];
  expect(bounds).toContain(true);
});

const integers = fields.filter(({ node }) => node.type === "integer");

test.each(integers)("$path has a format and no bounds of JavaScript", ({ node }) => {
  expect(node.format).toMatch(/^int(32|64)$/);
  expect(node.minimum).not.toBe(Number.MIN_SAFE_INTEGER);
  expect(node.maximum).not.toBe(Number.MAX_SAFE_INTEGER);
});

test("integers with the bounds of 32 bits say so", () => {
  const format = (wanted: string) => fields.find(({ path }) => path === wanted)?.node.format;
  expect(format(".spec.backoffLimit")).toBe("int32");
  expect(format(".status.progress.bytesDone")).toBe("int64");
  expect(format(".status.savings.savedBytes")).toBe("int64");
});

const named = fields.filter(({ path }) => !/[\]}]$/.test(path));

test.each(named)("$path is described", ({ node }) => {
  expect(node.description).toMatch(/^[A-Z].*[.]$/);
});

const withDefault = fields.filter(({ node }) => "default" in node && node.type !== "object");

test.each(withDefault)("the description of $path tells its default", ({ node }) => {
  expect(node.description).toContain(`Default: ${String(node.default)}`);
});

const rules = all.flatMap(({ path, node }) =>
  (node["x-kubernetes-validations"] ?? []).map((rule) => ({ path, ...rule })),
);

test.each(rules)("a rule of $path has a message and blames a field: $rule", (each) => {
  const { path, rule, message, fieldPath = "" } = each;
  expect(rule).toContain("self");
  expect(message.length).toBeGreaterThan(10);
  expect(all.map((field) => field.path)).toContain(`${path}${fieldPath}`);
});

test("what cannot change is a field that is always there, so that it cannot be taken away either", () => {
  const fixed = rules.filter(({ rule }) => rule.includes("oldSelf")).map(({ path }) => path);
  expect(fixed).toEqual([
    ".spec.base",
    ".spec.modified",
    ".spec.output",
    ".spec.mode",
    ".spec.verification",
    ".spec.allowSizeDifference",
  ]);
  const { required = [], properties = {} } = root.properties?.["spec"] ?? {};
  const withDefaults = Object.entries(properties).filter(([, node]) => "default" in node);
  const present = [...required, ...withDefaults.map(([name]) => name)];
  expect(present).toEqual(expect.arrayContaining(fixed.map((path) => path.replace(".spec.", ""))));
});

test("a default of an object is whole, for the API server applies the object's rules to it", () => {
  expect(root.properties?.["spec"]?.properties?.["output"]?.default).toEqual({
    format: "qcow2",
    compression: "None",
    clusterSize: "64Ki",
    overwrite: false,
  });
});

test("conditions are merged by their type", () => {
  expect(root.properties?.["status"]?.properties?.["conditions"]).toMatchObject({
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
  });
});

const shown = [...selectableFields, ...printerColumns.map(({ jsonPath }) => jsonPath)];

test.each(shown)("%s is a field", (jsonPath) => {
  const path = jsonPath.replace(/\[\?\(.*\)\]/, "[]");
  const known = all.map((field) => field.path);
  expect([...known, ".metadata.creationTimestamp"]).toContain(path);
});

test("the status tolerates fields of a later version", () => {
  expect(ImageDiffStatus.parse({ phase: "Failed", later: 1 })).toEqual({ phase: "Failed" });
});
