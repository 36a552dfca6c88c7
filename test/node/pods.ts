/** Small pods and Jobs for tests of the cluster itself. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { ContainerStateTerminated, Pod, PodSpec } from "kubernetes-types/core/v1.d.ts";
import type { Client } from "../cluster/client.ts";
import { eventually } from "../cluster/eventually.ts";
import { busyboxImage } from "./images.ts";

export interface PodOptions {
  /** For busybox's shell. */
  script: string;
  /** Claims that are mounted at /volumes/NAME, or devices there. */
  claims?: readonly { name: string; mode?: "Filesystem" | "Block"; readOnly?: boolean }[];
  /** The only node on which it may run. */
  node?: string;
  memory?: string;
}

/** A pod as strict as those of the product: the Pod Security level `restricted`, and no token. */
export function restrictedPod({ script, claims = [], node, memory = "64Mi" }: PodOptions): PodSpec {
  const filesystems = claims.filter(({ mode }) => mode !== "Block");
  const devices = claims.filter(({ mode }) => mode === "Block");
  return {
    restartPolicy: "Never",
    automountServiceAccountToken: false,
    // A shell that is told to end does not.
    terminationGracePeriodSeconds: 1,
    ...(node === undefined ? {} : { nodeSelector: { "kubernetes.io/hostname": node } }),
    securityContext: {
      runAsNonRoot: true,
      ...{ runAsUser: 107, runAsGroup: 107, fsGroup: 107 },
      fsGroupChangePolicy: "OnRootMismatch",
      seccompProfile: { type: "RuntimeDefault" },
    },
    containers: [
      {
        name: "main",
        image: busyboxImage,
        imagePullPolicy: "Never",
        command: ["sh", "-euc", script],
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        },
        resources: { limits: { memory } },
        volumeMounts: filesystems.map(({ name, readOnly = false }) => {
          return { name, mountPath: `/volumes/${name}`, readOnly };
        }),
        volumeDevices: devices.map(({ name }) => ({ name, devicePath: `/volumes/${name}` })),
      },
    ],
    volumes: claims.map(({ name, readOnly = false }) => {
      return { name, persistentVolumeClaim: { claimName: name, readOnly } };
    }),
  };
}

export function podManifest(namespace: string, name: string, options: PodOptions): Pod {
  const metadata = { name, namespace };
  return { apiVersion: "v1", kind: "Pod", metadata, spec: restrictedPod(options) };
}

/** A Job that is not tried again. */
export function restrictedJob(namespace: string, name: string, options: PodOptions): Job {
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name, namespace },
    spec: { backoffLimit: 0, template: { spec: restrictedPod(options) } },
  };
}

/** The pod once its containers run. */
export async function running(admin: Client, pod: Pod): Promise<Pod> {
  return eventually(
    async () => {
      const now = await admin.get<Pod>({ apiVersion: "v1", kind: "Pod", ...pod });
      return now.status?.phase === "Running" ? now : undefined;
    },
    { timeoutMs: 60_000 },
  );
}

/** How a pod's one container has ended. */
export function endOf(pod: Pod): ContainerStateTerminated | undefined {
  return pod.status?.containerStatuses?.[0]?.state?.terminated;
}
