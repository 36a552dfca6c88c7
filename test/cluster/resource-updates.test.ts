/** What of an ImageDiff may change once it is there, as the API server has it. */
import { beforeAll, describe, expect, test } from "vitest";
import { fieldsWith, type Fields } from "../api/manifests.ts";
import { adminClient } from "./cluster.ts";
import { ImageDiffs, refusal, type StoredImageDiff } from "./imagediffs.ts";

const admin = adminClient();
const imageDiffs = new ImageDiffs(admin);

/** Has every field that cannot change, none with its default but the output's format. */
const full = {
  "metadata.name": "full",
  "spec.base": { claimName: "golden", path: "fedora.qcow2", format: "qcow2" },
  "spec.modified": { claimName: "web-01-root", path: "images/disk.vmdk", format: "vmdk" },
  "spec.output": {
    claimName: "thin-images",
    path: "web-01/root.qcow2",
    format: "qcow2",
    compression: "Zstd",
    clusterSize: "16Ki",
    overwrite: true,
    backingFile: "/images/fedora.qcow2",
  },
  "spec.mode": "Estimate",
  "spec.verification": "Metadata",
  "spec.allowSizeDifference": true,
  "spec.ttlSecondsAfterFinished": 60,
  "spec.job": { nodeSelector: { disktype: "ssd" }, labels: { tier: "storage" } },
};

/** Has as few fields as there may be. */
const smallest = { "metadata.name": "smallest" };

const qed = { "metadata.name": "qed", "spec.output.format": "qed" };

beforeAll(async () => {
  for (const fields of [full, smallest, qed]) await imageDiffs.create(fieldsWith(fields));
});

/** A merge patch that sets one field by its path; null takes it away. */
function patchOf(path: string, value: unknown): Fields {
  return path.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Fields;
}

async function update(name: string, path: string, value: unknown): Promise<StoredImageDiff> {
  return admin.patch(imageDiffs.path(name), patchOf(path, value), {
    query: { fieldValidation: "Strict" },
  });
}

const cannotChange = "cannot change once set: make another ImageDiff instead";

describe.each(["base", "modified"])("%s", (source) => {
  test.each([
    ["claimName", "other"],
    ["path", "other.img"],
    ["format", "vdi"],
  ])("%s cannot change", async (field, value) => {
    const message = await refusal(update("full", `spec.${source}.${field}`, value));
    expect(message).toContain(`spec.${source}: Invalid value`);
    expect(message).toContain(cannotChange);
  });

  test.each(["path", "format"])("%s cannot go back to its default", async (field) => {
    const message = await refusal(update("full", `spec.${source}.${field}`, null));
    expect(message).toContain(cannotChange);
  });

  test("cannot be taken away", async () => {
    const message = await refusal(update("full", `spec.${source}`, null));
    expect(message).toContain(`spec.${source}: Required value`);
  });
});

describe("output", () => {
  test.each([
    ["claimName", "other"],
    ["path", "other.qcow2"],
    ["compression", "Zlib"],
    ["clusterSize", "32Ki"],
    ["overwrite", false],
    ["backingFile", "other.qcow2"],
  ])("%s can neither change nor be taken away", async (field, value) => {
    for (const next of [value, null]) {
      const message = await refusal(update("full", `spec.output.${field}`, next));
      expect(message).toContain("spec.output: Invalid value");
      expect(message).toContain(cannotChange);
    }
  });

  test.each([
    ["path", "web-01.qcow2"],
    ["backingFile", "../golden/disk.img"],
  ])("%s cannot be added later", async (field, value) => {
    const message = await refusal(update("smallest", `spec.output.${field}`, value));
    expect(message).toContain(cannotChange);
  });

  test.each([
    ["smallest", "qed"],
    ["qed", "qcow2"],
    ["qed", null],
  ])("the format of %s cannot become %s", async (name, format) => {
    const message = await refusal(update(name, "spec.output.format", format));
    expect(message).toContain(cannotChange);
  });

  test("cannot be taken away", async () => {
    expect(await refusal(update("full", "spec.output", null))).toContain(cannotChange);
  });
});

test.each([
  ["mode", "Diff"],
  ["verification", "None"],
  ["allowSizeDifference", false],
])("%s can neither change nor go back to its default", async (field, value) => {
  for (const next of [value, null]) {
    const message = await refusal(update("full", `spec.${field}`, next));
    expect(message).toContain(`spec.${field}: Invalid value`);
    expect(message).toContain(cannotChange);
  }
});

test("spec cannot be taken away", async () => {
  expect(await refusal(update("full", "spec", null))).toContain("spec: Required value");
});

test.each([
  ["sourceUse", "AllowReadOnly", "RequireIdle"],
  ["suspend", true, false],
  ["backoffLimit", 0, 3],
  ["activeDeadlineSeconds", 60, 14_400],
  ["ttlSecondsAfterFinished", 0, undefined],
  ["job", { priorityClassName: "high" }, undefined],
])("%s may be set later, and taken away again", async (field, value, without) => {
  const set = await update("smallest", `spec.${field}`, value);
  expect(set.spec[field]).toEqual(value);
  const unset = await update("smallest", `spec.${field}`, null);
  expect(unset.spec[field]).toEqual(without);
  expect(unset.metadata.generation).toBe(set.metadata.generation + 1);
});

test("settings of the Job may change one by one", async () => {
  const { spec } = await update("full", "spec.job.nodeSelector", { disktype: null, tier: "x" });
  expect(spec["job"]).toEqual({ nodeSelector: { tier: "x" }, labels: { tier: "storage" } });
});

test("an update that changes nothing is none", async () => {
  const stored = await admin.get<StoredImageDiff>(imageDiffs.path("smallest"));
  const { metadata } = await update("smallest", "spec.output.format", "qcow2");
  expect(metadata.resourceVersion).toBe(stored.metadata.resourceVersion);
});
