import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseManifest } from "../../src/api/manifest.ts";
import { Failure } from "../../src/report/reasons.ts";
import { badManifests } from "./bad-manifests.ts";
import { goodManifests } from "./good-manifests.ts";
import { manifestWith } from "./manifests.ts";

test.each(badManifests)("$name is refused", ({ changes, local }) => {
  const failure = refusal(manifestWith(changes));
  for (const words of local) expect(failure.message).toContain(words);
});

test.each([
  [{ kind: "Job" }, 'kind: must be ImageDiff, not "Job"'],
  [{ kind: undefined }, "kind: must be ImageDiff, not absent"],
  [{ apiVersion: "imagediff.io/v1" }, "apiVersion: must be imagediff.io/v1alpha1"],
  [{ "spec.suspended": null }, "spec.suspended: is not a field here"],
])("%j is refused", (changes, words) => {
  expect(refusal(manifestWith(changes)).message).toContain(words);
});

test("every bad field is listed at once", () => {
  const { message } = refusal(manifestWith({ "spec.mode": "x", "spec.suspend": 1, spce: 1 }));
  expect(message.split("\n")).toHaveLength(4);
  for (const field of ["spec.mode:", "spec.suspend:", "spce:"]) expect(message).toContain(field);
});

test.each([
  ["", "it is empty"],
  ["# nothing\n---\n", "it is empty"],
  ["- 1\n", "it is not a map of fields"],
  ["just words", "it is not a map of fields"],
  ["a: [", "it is not valid YAML"],
  ["a: 1\na: 2\n", "it is not valid YAML"],
  ["a: !secret x\n", "it is not valid YAML"],
  [`${manifestWith({})}---\n${manifestWith({})}`, "it holds 2 ImageDiffs"],
  [`${manifestWith({})}---\nkind: Secret\n`, 'kind: must be ImageDiff, not "Secret"'],
  [bomb(), "it is not valid YAML"],
])("%j cannot be read as one ImageDiff", (text, words) => {
  expect(refusal(text).message).toContain(words);
});

test("the defaults are filled in", () => {
  expect(parseManifest(manifestWith({ "spec.ttlSecondsAfterFinished": null })).spec).toEqual({
    base: { claimName: "golden", path: "disk.img", format: "raw" },
    modified: { claimName: "web-01-root", path: "disk.img", format: "raw" },
    output: {
      claimName: "thin-images",
      format: "qcow2",
      compression: "None",
      clusterSize: "64Ki",
      overwrite: false,
    },
    mode: "Diff",
    verification: "Full",
    allowSizeDifference: false,
    sourceUse: "RequireIdle",
    suspend: false,
    backoffLimit: 3,
    activeDeadlineSeconds: 14_400,
  });
});

test.each(goodManifests)("$name is accepted", ({ changes }) => {
  expect(() => parseManifest(manifestWith(changes))).not.toThrow();
});

test("a status in the manifest is left out", () => {
  expect(parseManifest(manifestWith({ status: { phase: "Failed" } }))).not.toHaveProperty("status");
});

test("the example is valid", () => {
  const text = readFileSync(new URL("../../examples/imagediff.yaml", import.meta.url), "utf8");
  expect(parseManifest(text).metadata).toEqual({ name: "web-01", namespace: "vms" });
});

function refusal(text: string): Failure {
  try {
    parseManifest(text);
  } catch (error) {
    if (error instanceof Failure && error.reason === "InvalidManifest") return error;
    throw error;
  }
  throw new Error(`accepted:\n${text}`);
}

/** A few lines of aliases that would become 10^9 values. */
function bomb(): string {
  const lines = Array.from({ length: 9 }, (_, depth) => {
    const inner = depth === 0 ? "x" : `*a${depth - 1}`;
    return `a${depth}: &a${depth} [${Array(10).fill(inner).join(", ")}]`;
  });
  return `${lines.join("\n")}\n`;
}
