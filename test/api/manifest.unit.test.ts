import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseManifest } from "../../src/api/manifest.ts";
import { Failure } from "../../src/report/reasons.ts";
import { manifestWith } from "./manifests.ts";

/** Changes to the smallest manifest, and what the message about them must hold. */
const bad: [changes: Record<string, unknown>, message: string, ...words: string[]][] = [
  [{ "spec.base": undefined }, "spec.base: is required"],
  [{ "spec.modified": undefined }, "spec.modified: is required"],
  [{ "spec.output": undefined }, "spec.output.claimName: is required in mode Diff"],
  [{ "spec.output.claimName": undefined }, "spec.output.claimName: is required in mode Diff"],
  [{ "spec.base.claimName": undefined }, "spec.base.claimName: is required: give a string"],
  [{ "spec.base.claimName": null }, "spec.base.claimName: is required"],
  [{ "spec.base.claimName": "" }, "spec.base.claimName: must be a name"],
  [{ "spec.base.claimName": "Golden" }, "spec.base.claimName: must be a name"],
  [{ "spec.base.claimName": "../etc" }, "spec.base.claimName: must be a name"],
  [{ "spec.base.claimName": "-golden" }, "spec.base.claimName: must be a name"],
  [{ "spec.base.claimName": "a..b" }, "spec.base.claimName: must be a name"],
  [{ "spec.base.claimName": "a".repeat(254) }, "spec.base.claimName: must have at most 253"],
  [{ "spec.base.claimName": 7 }, "spec.base.claimName: must be a string, not 7", "quotes"],
  [{ "spec.base.path": "/etc/shadow" }, "spec.base.path: must be a path inside of the claim"],
  [{ "spec.base.path": "../x/disk.img" }, "spec.base.path: must be a path inside of the claim"],
  [{ "spec.base.path": "a/../../b" }, "spec.base.path: must be a path inside of the claim"],
  [{ "spec.base.path": "./disk.img" }, "spec.base.path: must be a path inside of the claim"],
  [{ "spec.base.path": "a//b" }, "spec.base.path: must be a path inside of the claim"],
  [{ "spec.base.path": "a/" }, "spec.base.path: must be a path inside of the claim"],
  [{ "spec.base.path": ".." }, "spec.base.path: must be a path inside of the claim"],
  [{ "spec.base.path": "" }, "spec.base.path: must be a path inside of the claim"],
  [{ "spec.base.path": "a\nb" }, "spec.base.path: must have", "no control characters"],
  [{ "spec.base.path": "x".repeat(256) }, "spec.base.path: must have at most 255 characters"],
  [{ "spec.base.format": "qcow3" }, "spec.base.format: must be one of raw, qcow2", '"qcow3"'],
  [{ "spec.modified.format": "RAW" }, "spec.modified.format: must be one of raw, qcow2"],
  [{ "spec.modified.pth": "x" }, "spec.modified.pth: is not a field here", "claimName, path"],
  [{ "spec.modified": { claimName: "golden" } }, "spec.modified: must be another image than base"],
  [{ "spec.modified": "web-01-root" }, "spec.modified: must be a map of fields"],
  [{ "spec.output.path": "/x.qcow2" }, "spec.output.path: must be a path inside of the claim"],
  [{ "spec.output.format": "raw" }, "spec.output.format: must be one of qcow2, qed"],
  [{ "spec.output.format": "vmdk" }, "spec.output.format: must be one of qcow2, qed"],
  [{ "spec.output.compression": "zlib" }, "spec.output.compression: must be one of None, Zlib"],
  [
    { "spec.output.compression": "Zlib", "spec.output.format": "qed" },
    "spec.output.compression: must be None unless output.format is qcow2",
  ],
  [{ "spec.output.clusterSize": "64k" }, "spec.output.clusterSize: must be a power of two"],
  [{ "spec.output.clusterSize": "3Ki" }, "spec.output.clusterSize: must be a power of two"],
  [{ "spec.output.clusterSize": "256" }, "spec.output.clusterSize: must be a power of two"],
  [{ "spec.output.clusterSize": "4Mi" }, "spec.output.clusterSize: must be a power of two"],
  [{ "spec.output.clusterSize": "0" }, "spec.output.clusterSize: must be a power of two"],
  [{ "spec.output.clusterSize": "lots" }, "spec.output.clusterSize: must be a power of two"],
  [{ "spec.output.clusterSize": 65536 }, "spec.output.clusterSize: must be a string", "quotes"],
  [
    { "spec.output.clusterSize": "2Ki", "spec.output.format": "qed" },
    "spec.output.clusterSize: must be at least 4Ki where output.format is qed",
  ],
  [{ "spec.output.overwrite": "true" }, "spec.output.overwrite: must be true or false", "quotes"],
  [{ "spec.output.overwrite": "yes" }, "spec.output.overwrite: must be true or false"],
  [{ "spec.output.backingFile": "nbd:host:1" }, "spec.output.backingFile: must be the name of a"],
  [{ "spec.output.backingFile": 'json:{"a":1}' }, "spec.output.backingFile: must be the name of"],
  [{ "spec.output.backingFile": "é".repeat(600) }, "spec.output.backingFile: must have at most"],
  [{ "spec.output.backingFile": "" }, "spec.output.backingFile: must have at least one character"],
  [
    { "spec.output.claimName": "golden", "spec.output.path": "disk.img" },
    "spec.output.path: must not be the path of base",
  ],
  [
    { "spec.output.claimName": "web-01-root", "spec.modified.path": "web-01.qcow2" },
    "spec.output.path: must not be the path of modified",
  ],
  [{ "spec.mode": "Dry" }, "spec.mode: must be one of Diff, Estimate"],
  [{ "spec.verification": "full" }, "spec.verification: must be one of Full, Metadata, None"],
  [{ "spec.verification": false }, "spec.verification: must be one of Full, Metadata, None"],
  [{ "spec.allowSizeDifference": 1 }, "spec.allowSizeDifference: must be true or false, not 1"],
  [{ "spec.sourceUse": "Any" }, "spec.sourceUse: must be one of RequireIdle, AllowReadOnly"],
  [{ "spec.backoffLimit": -1 }, "spec.backoffLimit: must be at least 0"],
  [{ "spec.backoffLimit": 1.5 }, "spec.backoffLimit: must be a whole number, not 1.5"],
  [{ "spec.backoffLimit": "3" }, "spec.backoffLimit: must be a whole number", "leave out"],
  [{ "spec.activeDeadlineSeconds": 0 }, "spec.activeDeadlineSeconds: must be at least 1"],
  [{ "spec.ttlSecondsAfterFinished": -5 }, "spec.ttlSecondsAfterFinished: must be at least 0"],
  [{ "spec.ttlSecondsAfterFinished": 2 ** 31 }, "spec.ttlSecondsAfterFinished: must be at most"],
  [{ "spec.varification": "None" }, "spec.varification: is not a field here", "verification"],
  [{ spce: {} }, "spce: is not a field here", "spec"],
  [{ spec: undefined }, "spec: is required"],
  [{ "metadata.name": undefined }, "metadata.name: is required"],
  [{ "metadata.name": "Web_01" }, "metadata.name: must be a name"],
  [{ "metadata.name": "w".repeat(250) }, "spec.output.path: is required: the resource's name"],
  [{ "metadata.nmae": "x" }, "metadata.nmae: is not a field here"],
  [{ "spec.job.image": "x" }, "spec.job.image: is not a field here", "nodeSelector"],
  [{ "spec.job.resources.limits": { cpu: "two" } }, "spec.job.resources.limits.cpu: must be a qu"],
  [{ "spec.job.tolerations": [{ operator: "Is" }] }, "spec.job.tolerations[0].operator: must be"],
  [{ "spec.job.podSecurityContext.runAsUser": -1 }, "spec.job.podSecurityContext.runAsUser: must"],
  [{ "spec.job.nodeSelector": { a: 1 } }, "spec.job.nodeSelector.a: must be a string, not 1"],
  [{ kind: "Job" }, 'kind: must be ImageDiff, not "Job"'],
  [{ kind: undefined }, "kind: must be ImageDiff, not absent"],
  [{ apiVersion: "imagediff.io/v1" }, "apiVersion: must be imagediff.io/v1alpha1"],
];

const cases = bad.map(([changes, ...words]) => ({ problem: words[0], changes, words }));

test.each(cases)("$problem", ({ changes, words }) => {
  const failure = refusal(manifestWith(changes));
  for (const word of words) expect(failure.message).toContain(word);
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

test.each([
  { "spec.output": undefined, "spec.mode": "Estimate" },
  { "spec.output.claimName": "golden" },
  { "spec.modified": { claimName: "golden", path: "web-01/disk.img" } },
  { "spec.base.path": "..a/.b/c..", "spec.base.format": "vhdx" },
  { "spec.output.clusterSize": "512", "spec.output.compression": "Zstd" },
  { "spec.output.clusterSize": "65536" },
  { "spec.output.backingFile": "/var/lib/images/a:b.img" },
  { "spec.output.path": "x.qcow2", "metadata.name": "w".repeat(253) },
  { "spec.job.resources": { requests: { cpu: 2, memory: "1.5Gi" }, limits: { cpu: "500m" } } },
  { "spec.job.affinity": { nodeAffinity: { anything: [1, { x: true }] } } },
  { status: { phase: "FromAnotherVersion" }, "metadata.managedFields": [{ manager: "kubectl" }] },
])("%j is accepted", (changes) => {
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
