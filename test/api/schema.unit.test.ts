/** What Kubernetes asks of the schema: structural, bounded, described, with its rules. */
import { expect, test } from "vitest";
import { z } from "zod";
import { ImageDiff } from "../../src/api/resource.ts";
import { ImageDiffStatus } from "../../src/api/status.ts";

interface Node {
  type?: string;
  description?: string;
  properties?: Record<string, Node>;
  items?: Node;
  additionalProperties?: Node | boolean;
  [key: string]: unknown;
}

const root = z.toJSONSchema(ImageDiff, {
  target: "openapi-3.0",
  io: "input",
  reused: "inline",
  cycles: "throw",
  unrepresentable: "throw",
}) as Node;

const { metadata: _, ...own } = root.properties ?? {};
const fields = Object.entries(own).flatMap(([name, node]) => walk(node, name));

function walk(node: Node, path: string): { path: string; node: Node }[] {
  const properties = Object.entries(node.properties ?? {});
  const values = typeof node.additionalProperties === "object" ? node.additionalProperties : {};
  return [
    { path, node },
    ...properties.flatMap(([name, child]) => walk(child, `${path}.${name}`)),
    ...(node.items === undefined ? [] : walk(node.items, `${path}[]`)),
    ...("type" in values ? walk(values, `${path}{}`) : []),
  ];
}

/** The field's bound, of those that its type has to have. */
function missingBound(node: Node): string | undefined {
  const open = node["x-kubernetes-preserve-unknown-fields"] === true;
  const isMap = typeof node.additionalProperties === "object" && !open;
  const bound = isMap
    ? "maxProperties"
    : { string: "maxLength", array: "maxItems" }[node.type ?? ""];
  return bound === undefined || bound in node || "enum" in node ? undefined : bound;
}

test("the schema has all the fields", () => {
  const paths = fields.map(({ path }) => path);
  expect(paths.length).toBeGreaterThan(100);
  expect(paths).toContain("spec.job.tolerations[].key");
  expect(paths).toContain("status.conditions[].lastTransitionTime");
});

test.each(fields)("$path is structural and bounded", ({ node }) => {
  for (const key of ["anyOf", "oneOf", "allOf", "not", "$ref"]) {
    expect(node).not.toHaveProperty(key);
  }
  expect(missingBound(node)).toBeUndefined();
  expect(node["pattern"] ?? "", "no RE2 pattern").not.toMatch(/\(\?[=!<]|\\[1-9]/);
});

const named = fields.filter(({ path }) => !/[\]}]$|^(apiVersion|kind)$/.test(path));

test.each(named)("$path is described", ({ node }) => {
  expect(node.description).toMatch(/\.$/);
});

const withDefault = fields.filter(({ node }) => "default" in node && node.type !== "object");

test.each(withDefault)("the description of $path tells its default", ({ node }) => {
  expect(node.description).toContain(`Default: ${String(node["default"])}`);
});

test("every rule has an expression and a message, and blames a field that exists", () => {
  const rules = walk(root, "").flatMap(({ path, node }) =>
    ((node["x-kubernetes-validations"] ?? []) as Record<string, string>[]).map((rule) => ({
      path,
      ...rule,
    })),
  ) as { path: string; rule: string; message: string; fieldPath?: string }[];
  const known = new Set(walk(root, "").map(({ path }) => path));
  expect(rules.filter(({ rule }) => rule === "self == oldSelf").map(({ path }) => path)).toEqual([
    ".spec.base",
    ".spec.modified",
    ".spec.output",
    ".spec.mode",
    ".spec.verification",
    ".spec.allowSizeDifference",
  ]);
  for (const { path, rule, message, fieldPath = "" } of rules) {
    expect(rule).toContain("self");
    expect(message.length).toBeGreaterThan(10);
    expect(known).toContain(`${path}${fieldPath}`);
  }
});

test("a default of an object is whole, for the API server applies the object's rules to it", () => {
  const output = own["spec"]?.properties?.["output"];
  expect(output?.["default"]).toEqual({
    format: "qcow2",
    compression: "None",
    clusterSize: "64Ki",
    overwrite: false,
  });
});

test("the status tolerates fields of a later version", () => {
  expect(ImageDiffStatus.parse({ phase: "Failed", later: 1 })).toEqual({ phase: "Failed" });
});
