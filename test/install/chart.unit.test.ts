/** The files of the chart agree with each other and with what they are made from. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { projectFile } from "../../scripts/docs.ts";
import { chartFiles } from "../../scripts/helm.ts";

function textOf(name: string): string {
  return readFileSync(projectFile(name), "utf8");
}

test.each(Object.entries(chartFiles()))("%s is what scripts/helm.ts makes", (name, text) => {
  // Once its source has changed: npm run generate
  expect(textOf(name)).toBe(text);
});

test("the chart has the version of the package, and installs its images", () => {
  const { version } = JSON.parse(textOf("package.json")) as { version: string };
  expect(parse(textOf("helm/imagediff/Chart.yaml"))).toMatchObject({
    version,
    appVersion: version,
  });
  const deployment = textOf("deploy/base/deployment.yaml");
  for (const name of ["controller", "engine"]) {
    expect(deployment).toContain(`imagediff-${name}:${version}\n`);
  }
});

interface Schema {
  $ref?: string;
  type?: string | string[];
  properties?: Record<string, Schema>;
  definitions?: Record<string, Schema>;
}

const schema = JSON.parse(textOf("helm/imagediff/values.schema.json")) as Schema;

/** Paths of all values that the schema knows by name. */
function known({ $ref, properties }: Schema, prefix = ""): string[] {
  const meant = $ref === undefined ? properties : definition($ref).properties;
  return Object.entries(meant ?? {}).flatMap(([name, field]) => {
    const below = known(field, `${prefix}${name}.`);
    return below.length === 0 ? [`${prefix}${name}`] : below;
  });
}

function definition(reference: string): Schema {
  const found = schema.definitions?.[reference.replace("#/definitions/", "")];
  if (found === undefined) throw new Error(`${reference} is not defined`);
  return found;
}

function has(values: unknown, path: string): boolean {
  let value = values;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null || !(name in value)) return false;
    value = (value as Record<string, unknown>)[name];
  }
  return true;
}

/** What a user may give and nobody has to. */
const optional = new Set([
  "global",
  "resources.claims",
  ...["livenessProbe", "readinessProbe"].flatMap((probe) =>
    ["initialDelaySeconds", "failureThreshold", "successThreshold"].map(
      (name) => `${probe}.${name}`,
    ),
  ),
]);

test("values.yaml has every value that the schema allows", () => {
  const values: unknown = parse(textOf("helm/imagediff/values.yaml"));
  const missing = known(schema).filter((path) => !optional.has(path) && !has(values, path));
  expect(missing).toEqual([]);
});

test("docs/install.md explains every value", () => {
  const explained = Array.from(
    textOf("docs/install.md").matchAll(/^- `([\w.]+)` \(`/gm),
    ([, path = ""]) => path,
  );
  const silent = known(schema).filter(
    (path) => !optional.has(path) && !explained.some((each) => `${path}.`.startsWith(`${each}.`)),
  );
  expect(silent).toEqual([]);
});

test("the tests' values/everything.yaml sets each one to something else", () => {
  const defaults: unknown = parse(textOf("helm/imagediff/values.yaml"));
  const everything: unknown = parse(textOf("test/install/values/everything.yaml"));
  const at = (values: unknown, path: string): unknown =>
    path.split(".").reduce((value, name) => (value as Record<string, unknown>)?.[name], values);
  const boring = known(schema).filter(
    (path) =>
      !optional.has(path) &&
      JSON.stringify(at(everything, path)) === JSON.stringify(at(defaults, path)),
  );
  // Off, these would take others away with them.
  expect(boring).toEqual([
    "image.controller.digest",
    "leaderElection.enabled",
    "crds.install",
    "serviceAccount.create",
    "rbac.create",
    "podDisruptionBudget.enabled",
    "networkPolicy.enabled",
    "metrics.service.enabled",
  ]);
});
