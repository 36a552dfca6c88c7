/** What kubectl shows of ImageDiffs. */
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { printerColumns, resourceSchema } from "../../src/api/crd.ts";
import type { ImageDiffStatus } from "../../src/api/status.ts";
import type { StructuralSchema } from "../../src/api/structural.ts";
import { fieldsWith, manifestWith } from "../api/manifests.ts";
import { run, type Ended } from "../support/command.ts";
import { binaries } from "./binaries.ts";
import { adminClient, cluster, kubeconfig } from "./cluster.ts";
import { ImageDiffs } from "./imagediffs.ts";

const admin = adminClient();
const imageDiffs = new ImageDiffs(admin);

const condition = (type: string) => ({
  type,
  status: "True" as const,
  reason: "Tested",
  message: "As the test says.",
  lastTransitionTime: "2030-01-02T03:04:05Z",
});

const done: ImageDiffStatus = {
  phase: "Succeeded",
  progress: { bytesDone: 4096, bytesTotal: 4096, percent: 100 },
  attempts: 2,
  node: "node-7",
  savings: {
    modifiedAllocatedBytes: 1_610_612_736,
    overlayAllocatedBytes: 107_374_182,
    savedBytes: 1_503_238_554,
    percent: 93,
    summary: "1.4 GiB (93%)",
  },
  conditions: [condition("Ready"), condition("Verified")],
};

beforeAll(async () => {
  await imageDiffs.create(fieldsWith({ "metadata.name": "fresh", "spec.base.claimName": "other" }));
  await imageDiffs.create(fieldsWith({ "metadata.name": "done" }));
  await admin.patch(imageDiffs.path("done"), { status: done }, { subresource: "status" });
});

async function tryKubectl(args: string[], input = ""): Promise<Ended> {
  const { kubectl: program } = await binaries("kubectl");
  const flags = [
    `--kubeconfig=${kubeconfig("admin")}`,
    `--namespace=${imageDiffs.namespace}`,
    // What it knows of an API server it keeps by address, which the next test's may have again.
    `--cache-dir=${join(cluster().folder, "kubectl-cache")}`,
  ];
  return run(program, [...flags, ...args], { input });
}

async function kubectl(...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await tryKubectl(args);
  expect(stderr).toBe("");
  expect(exitCode).toBe(0);
  return stdout;
}

/** The cells of kubectl's table, each as far left as the heading of its column. */
function cells(table: string): string[][] {
  const lines = table.trimEnd().split("\n");
  const starts = Array.from((lines[0] ?? "").matchAll(/\S+\s*/g), ({ index }) => index);
  return lines.map((line) =>
    starts.map((start, column) => line.slice(start, starts[column + 1]).trim()),
  );
}

const names = printerColumns.map(({ name }) => name.toUpperCase());
const age = names.indexOf("AGE") + 1;

test("kubectl get shows what people ask about", async () => {
  const [header, finished, fresh] = cells(await kubectl("get", "idiff"));
  expect(header).toEqual(["NAME", ...names.slice(0, age)]);
  expect(finished?.slice(0, age)).toEqual([
    ...["done", "Succeeded", "100", "golden", "web-01-root", "1.4 GiB (93%)", "True"],
  ]);
  expect(fresh?.slice(0, age)).toEqual(["fresh", "", "", "other", "web-01-root", "", ""]);
  expect(finished?.[age]).toMatch(/^\d+m?s$/);
});

test("kubectl get -o wide shows the rest", async () => {
  const [header, finished, fresh] = cells(await kubectl("get", "idiff", "-o", "wide"));
  expect(header).toEqual(["NAME", ...names]);
  expect(finished?.slice(age + 1)).toEqual(["thin-images", "node-7", "True", "2"]);
  expect(fresh?.slice(age + 1)).toEqual(["thin-images", "", "", ""]);
});

test.each([
  ["spec.base.claimName=golden", "done"],
  ["spec.base.claimName=other,spec.modified.claimName=web-01-root", "fresh"],
  ["spec.output.claimName=thin-images,status.phase=Succeeded", "done"],
  ["status.phase=Failed", ""],
])("kubectl get --field-selector %s finds %j", async (selector, name) => {
  const found = await kubectl("get", "idiff", "--field-selector", selector, "-o", "name");
  expect(found.trim()).toBe(name === "" ? "" : `imagediff.imagediff.io/${name}`);
});

test("kubectl get all lists them, as it lists their Jobs", async () => {
  expect(await kubectl("get", "all", "-o", "name")).toContain("imagediff.imagediff.io/done");
});

test("kubectl wait sees that one is ready, and that another is not", async () => {
  const wait = ["wait", "--for=condition=Ready"];
  expect(await kubectl(...wait, "idiff/done")).toContain("condition met");
  const { exitCode, stderr } = await tryKubectl([...wait, "--timeout=0s", "idiff/fresh"]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("condition not met for imagediffs/fresh");
});

test("kubectl apply names a misspelt field", async () => {
  const manifest = manifestWith({ "spec.varification": "None" });
  const { exitCode, stderr } = await tryKubectl(["apply", "-f", "-"], manifest);
  expect(exitCode).toBe(1);
  expect(stderr).toContain('unknown field "spec.varification"');
});

/** Every object of the schema that has fields, by the path that `kubectl explain` takes. */
function objects(node: StructuralSchema, path: string): [string, StructuralSchema][] {
  const inside = Object.entries(node.properties ?? {}).flatMap(([name, field]) =>
    objects(field.items ?? field, `${path}.${name}`),
  );
  return node.properties === undefined ? [] : [[path, node], ...inside];
}

// Of the resource itself Kubernetes describes apiVersion, kind and metadata in its own words.
const [[root, whole] = ["", {}], ...parts] = objects(resourceSchema(), "imagediff");

test("kubectl explain imagediff says what it is for", async () => {
  const text = words(await kubectl("explain", root));
  expect(text).toContain(whole.description);
  expect(text).toContain(`spec <Object> -required- ${whole.properties?.["spec"]?.description}`);
  expect(text).toContain(`status <Object> ${whole.properties?.["status"]?.description}`);
});

test.each(parts)("kubectl explain %s describes each field", async (path, { properties = {} }) => {
  const text = words(await kubectl("explain", path));
  for (const [name, { description = "nothing" }] of Object.entries(properties)) {
    expect(text).toContain(` ${name} <`);
    expect(text).toContain(description);
  }
});

/** A text whatever its lines. */
function words(text: string): string {
  return text.replaceAll(/\s+/g, " ");
}
