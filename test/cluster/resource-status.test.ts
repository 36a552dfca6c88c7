/** What of an ImageDiff's status the API server stores, and what it refuses. */
import { beforeAll, expect, test } from "vitest";
import { fieldsWith } from "../api/manifests.ts";
import { badStatuses, fullStatus } from "../api/statuses.ts";
import { adminClient } from "./cluster.ts";
import { ImageDiffs, refusal, type StoredImageDiff } from "./imagediffs.ts";

const admin = adminClient();
const imageDiffs = new ImageDiffs(admin);

beforeAll(async () => {
  for (const name of ["full", "two"]) {
    await imageDiffs.create(fieldsWith({ "metadata.name": name }));
  }
});

/** Puts a whole status in the place of the one that is there. */
async function setStatus(name: string, value: unknown, dryRun?: "All"): Promise<StoredImageDiff> {
  const patch = [{ op: "add", path: "/status", value }];
  const query = { fieldValidation: "Strict", dryRun };
  return admin.patch(imageDiffs.path(name), patch, { type: "json", subresource: "status", query });
}

test("a status with every field at its bound is stored without loss", async () => {
  const status = fullStatus();
  await setStatus("full", status);
  const stored = await admin.get<StoredImageDiff>(imageDiffs.path("full"));
  expect(stored.status).toEqual(status);
});

test.each(badStatuses())("a status is refused if $field is $wrong", async ({ field, status }) => {
  expect(await refusal(setStatus("full", status, "All"))).toContain(field);
});

test("two conditions of one type are refused", async () => {
  const [condition] = fullStatus()["conditions"] as object[];
  const message = await refusal(setStatus("full", { conditions: [condition, condition] }, "All"));
  expect(message).toContain("status.conditions[1]: Duplicate value");
});

test("conditions of several writers are merged by their type", async () => {
  const ofType = (type: string) => ({
    type,
    status: "True",
    reason: "Tested",
    message: "",
    lastTransitionTime: "2030-01-02T03:04:05Z",
  });
  for (const type of ["Ready", "Verified"]) {
    const manifest = {
      apiVersion: "imagediff.io/v1alpha1",
      kind: "ImageDiff",
      metadata: { name: "two", namespace: imageDiffs.namespace },
      status: { conditions: [ofType(type)] },
    };
    await admin.apply(manifest, { subresource: "status", manager: `writer-of-${type}` });
  }
  const { status } = await admin.get<StoredImageDiff>(imageDiffs.path("two"));
  expect(status).toEqual({ conditions: [ofType("Ready"), ofType("Verified")] });
});

test("a new resource has no status, whatever its manifest says", async () => {
  const manifest = fieldsWith({ "metadata.name": "claims", status: { phase: "Succeeded" } });
  expect(await imageDiffs.dryRun(manifest)).not.toHaveProperty("status");
});

test("the status changes only as such, and then nothing else does", async () => {
  await setStatus("full", { phase: "Comparing" });
  const path = imageDiffs.path("full");
  const both = { spec: { suspend: true }, status: { phase: "Failed" } };
  const changed = await admin.patch<StoredImageDiff>(path, both);
  expect(changed).toMatchObject({ spec: { suspend: true }, status: { phase: "Comparing" } });
  const reported = await admin.patch<StoredImageDiff>(
    path,
    { spec: { suspend: false }, status: { phase: "Suspended" } },
    { subresource: "status" },
  );
  expect(reported).toMatchObject({ spec: { suspend: true }, status: { phase: "Suspended" } });
  expect(reported.metadata.generation).toBe(changed.metadata.generation);
});
