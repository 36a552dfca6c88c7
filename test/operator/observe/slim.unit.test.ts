/** What is kept of pods: a cluster has thousands, of which few concern us. */
import { expect, test } from "vitest";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { slimPod } from "../../../src/operator/observe/slim.ts";

function pod(volumes: NonNullable<Pod["spec"]>["volumes"], labels: Record<string, string>): Pod {
  return {
    metadata: {
      ...{ namespace: "vms", name: "p", uid: "u", resourceVersion: "7", labels },
      annotations: { long: "x".repeat(1000) },
      managedFields: [{ manager: "kubelet" }],
    },
    spec: {
      containers: [{ name: "c", image: "i", env: [{ name: "A" }], volumeMounts: [] }],
      nodeName: "node-1",
      volumes: [{ name: "token", projected: { sources: [] } }, ...(volumes ?? [])],
    },
    status: {
      phase: "Running",
      podIP: "10.0.0.1",
      conditions: [{ type: "Ready", status: "True" }],
    },
  };
}

const claim = { name: "data", persistentVolumeClaim: { claimName: "golden" } };

test("of a pod without claims: who it is", () => {
  expect(slimPod(pod([], { app: "web" }))).toEqual({
    metadata: { namespace: "vms", name: "p", uid: "u", resourceVersion: "7" },
  });
});

test("of a pod with a claim: where it is, what it mounts, and whether it has ended", () => {
  expect(slimPod(pod([claim], { app: "db" }))).toEqual({
    metadata: {
      namespace: "vms",
      name: "p",
      uid: "u",
      resourceVersion: "7",
      labels: { app: "db" },
    },
    spec: {
      nodeName: "node-1",
      containers: [{ name: "c", volumeMounts: [] }],
      volumes: [claim],
    },
    status: { phase: "Running" },
  });
});

test("of a Job's pod, which may be an engine's: all that it tells of itself", () => {
  const engine = pod([claim], { "batch.kubernetes.io/job-name": "imagediff-1" });
  expect(slimPod(engine).status).toEqual(engine.status);
});
