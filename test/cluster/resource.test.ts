/** What the API server accepts and stores, and that a run without a cluster does the same. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { crdFile } from "../../scripts/crd.ts";
import { projectFile } from "../../scripts/docs.ts";
import { parseManifest, validateImageDiff } from "../../src/api/manifest.ts";
import { Failure } from "../../src/report/reasons.ts";
import { badManifests } from "../api/bad-manifests.ts";
import { goodManifests } from "../api/good-manifests.ts";
import { fieldsWith, manifestWith, type Fields } from "../api/manifests.ts";
import { manifests } from "../api/samples.ts";
import { adminClient } from "./cluster.ts";
import { ImageDiffs, refusal, type StoredImageDiff } from "./imagediffs.ts";
import { readManifests } from "./manifests.ts";

const admin = adminClient();
const imageDiffs = new ImageDiffs(admin);

test("the definition is stored as it is, and nothing about it is wrong", async () => {
  const [definition = {}] = readManifests(projectFile(crdFile));
  const { status, ...rest } = await admin.get<{ status: DefinitionStatus }>(definition);
  expect(rest).toMatchObject(definition);
  expect(status.conditions.map(({ type, status: value }) => `${type}=${value}`)).toEqual([
    "NamesAccepted=True",
    "Established=True",
  ]);
});

interface DefinitionStatus {
  conditions: { type: string; status: string }[];
}

test.each(badManifests)("$name is refused", async ({ changes, server }) => {
  const message = await refusal(imageDiffs.dryRun(fieldsWith(changes)));
  for (const words of server) expect(message).toContain(words);
});

test.each(goodManifests)("$name is accepted", async ({ changes }) => {
  const { spec } = await imageDiffs.dryRun(fieldsWith(changes));
  expect(spec).toEqual(parseManifest(manifestWith(changes)).spec);
});

test("what is stored has the defaults of a run without a cluster", async () => {
  const changes = { "metadata.name": "defaults", "spec.ttlSecondsAfterFinished": null };
  const { spec } = parseManifest(manifestWith(changes));
  await imageDiffs.create(fieldsWith(changes));
  const { spec: found } = await admin.get<StoredImageDiff>(imageDiffs.path("defaults"));
  expect(found).toEqual(spec);
  expect(spec).toMatchObject({ mode: "Diff", output: { clusterSize: "64Ki" } });
});

test("the API server and a run without a cluster accept the same, with the same defaults", async () => {
  const property = fc.asyncProperty(manifests, async (manifest) => {
    expect(await stored(manifest)).toEqual(checked(manifest));
  });
  await fc.assert(property, { numRuns: 300 });
});

/** The spec as the API server would store it, or `refused`. */
async function stored(manifest: Fields): Promise<unknown> {
  try {
    return (await imageDiffs.dryRun(manifest)).spec;
  } catch (error) {
    await refusal(Promise.reject(error));
    return "refused";
  }
}

/** The same without a cluster. */
function checked(manifest: Fields): unknown {
  try {
    return validateImageDiff(manifest).spec;
  } catch (error) {
    if (error instanceof Failure) return "refused";
    throw error;
  }
}

test("a name that the API server makes is good for the overlay's path", async () => {
  const manifest = fieldsWith({ "metadata.name": undefined, "metadata.generateName": "web-" });
  const { metadata } = await imageDiffs.dryRun(manifest);
  expect(metadata.name).toMatch(/^web-\w+$/);
});

const misspelt = {
  "metadata.name": "misspelt",
  "spec.varification": "None",
  "spec.base.pth": "x",
  "spec.job.image": "x",
  "spec.job.affinity": { nodeAfinity: {}, nodeAffinity: { anything: [null, 1] } },
};

test("a client that does not ask for strictness loses unknown fields, and only these", async () => {
  const { spec } = await imageDiffs.create(fieldsWith(misspelt), { fieldValidation: "Ignore" });
  const known = { "spec.job.affinity": { nodeAffinity: { anything: [null, 1] } } };
  expect(spec).toEqual(parseManifest(manifestWith(known)).spec);
});

test("the message about unknown fields names each", async () => {
  const message = await refusal(imageDiffs.dryRun(fieldsWith(misspelt)));
  for (const field of ["varification", "base.pth", "job.image", "job.affinity.nodeAfinity"]) {
    expect(message).toContain(`unknown field "spec.${field}"`);
  }
});
