/**
 * Changes to the smallest manifest that a run without a cluster and the API server both accept,
 * though only just.
 */
export const goodManifests: Record<string, unknown>[] = [
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
  { "spec.base.path": "\u{1f4be}".repeat(255) },
  { status: { phase: "FromAnotherVersion" }, "metadata.managedFields": [{ manager: "kubectl" }] },
  { "spec.output.path": "-", "spec.output.claimName": "a.b-c.0" },
  { "spec.output.clusterSize": "2Mi", "spec.output.format": "qed" },
  { "spec.output.backingFile": "é".repeat(511) },
  { "spec.output.backingFile": "./nbd:x" },
  { "spec.job.tolerations": Array.from({ length: 32 }, () => ({ operator: "Exists" })) },
  { "spec.job.resources.limits": { cpu: ".5", memory: "1e3", "example.com/gpu": 0 } },
  { "spec.job.labels": { [`${"a".repeat(253)}/${"b".repeat(63)}`]: "" } },
  { "spec.job.nodeSelector": { "Tier_1.x": "A-b_c.d" } },
  { "spec.activeDeadlineSeconds": 2 ** 31 - 1, "spec.ttlSecondsAfterFinished": 0 },
];
