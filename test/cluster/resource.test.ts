/** What the API server accepts and stores, and that a run without a cluster does the same. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { readManifests } from "./manifests.ts";
import { badManifests } from "../api/bad-manifests.ts";
import { fieldsWith, manifestWith } from "../api/manifests.ts";
import { anyChanges, goodChanges } from "../api/samples.ts";
import { parseManifest, validateImageDiff } from "../../src/api/manifest.ts";
import { projectFile } from "../../scripts/docs.ts";
import { crdFile } from "../../scripts/crd.ts";
import { Failure } from "../../src/report/reasons.ts";
import { adminClient } from "./cluster.ts";
import { ImageDiffs, refusal } from "./imagediffs.ts";

const admin = adminClient();
const imageDiffs = new ImageDiffs(admin);

test("the definition is stored as it is, and nothing about it is wrong", async () => {
  const [definition = {}] = readManifests(projectFile(crdFile));
  const { spec, status } = await admin.get<{
    spec: { versions: unknown[] };
    status: { conditions: { type: string; status: string }[] };
  }>(definition);
  expect({ spec }).toMatchObject(definition);
  expect(status.conditions.map((each) => `${each.type}=${each.status}`)).toEqual([
    "NamesAccepted=True",
    "Established=True",
  ]);
});

test.each(badManifests)("$name is refused", async ({ changes, server }) => {
  const message = await refusal(imageDiffs.dryRun(fieldsWith(changes)));
  for (const words of server) expect(message).toContain(words);
});
