/** Manifests that are accepted, some only just, by a run without a cluster and the API server. */

export interface GoodManifest {
  /** What is special about it, in a few words. */
  name: string;
  /** What to change in the smallest manifest, by path; `undefined` takes a field away. */
  changes: Record<string, unknown>;
}

const named: Record<string, GoodManifest["changes"]> = {
  "an estimate without output": { "spec.output": undefined, "spec.mode": "Estimate" },
  "an overlay in base's claim": { "spec.output.claimName": "golden" },
  "both images in one claim": { "spec.modified": { claimName: "golden", path: "web-01/disk.img" } },
  "dots in a path": { "spec.base.path": "..a/.b/c..", "spec.base.format": "vhdx" },
  "a path of 255 characters beyond U+FFFF": { "spec.base.path": "\u{1f4be}".repeat(255) },
  "an output's path and claim of odd characters": {
    "spec.output.path": "-",
    "spec.output.claimName": "a.b-c.0",
  },
  "the smallest clusters": { "spec.output.clusterSize": "512", "spec.output.compression": "Zstd" },
  "clusters in bytes": { "spec.output.clusterSize": "65536" },
  "the largest clusters of qed": {
    "spec.output.clusterSize": "2Mi",
    "spec.output.format": "qed",
  },
  "a backing file with a colon": { "spec.output.backingFile": "/var/lib/images/a:b.img" },
  "a backing file that looks like a protocol": { "spec.output.backingFile": "./nbd:x" },
  "a backing file of 1022 bytes": { "spec.output.backingFile": "é".repeat(511) },
  "the longest name": { "spec.output.path": "x.qcow2", "metadata.name": "w".repeat(253) },
  "the longest times": {
    "spec.activeDeadlineSeconds": 2 ** 31 - 1,
    "spec.ttlSecondsAfterFinished": 0,
  },
  "quantities as numbers and strings": {
    "spec.job.resources": {
      requests: { cpu: 2, memory: "1.5Gi" },
      limits: { cpu: ".5", memory: "1e3", "example.com/gpu": 0 },
    },
  },
  "affinity of Kubernetes' own": {
    "spec.job.affinity": { nodeAffinity: { anything: [1, { x: true }, null] } },
  },
  "32 tolerations": {
    "spec.job.tolerations": Array.from({ length: 32 }, () => ({ operator: "Exists" })),
  },
  "the longest key of a label, without a value": {
    "spec.job.labels": { [`${"a".repeat(253)}/${"b".repeat(63)}`]: "" },
  },
  "every character of a label": { "spec.job.nodeSelector": { "Tier_1.x": "A-b_c.d" } },
  "a status and metadata of its own": {
    status: { phase: "FromAnotherVersion" },
    "metadata.managedFields": [{ manager: "kubectl" }],
  },
};

export const goodManifests: GoodManifest[] = Object.entries(named).map(([name, changes]) => ({
  name,
  changes,
}));
