/** Claims and ImageDiffs by the thousand. */
import type { PersistentVolume, PersistentVolumeClaim } from "kubernetes-types/core/v1.d.ts";
import type { Client, KubeObject } from "../test/cluster/client.ts";
import { eventually } from "../test/cluster/eventually.ts";

export const NAMESPACE = "bench";

/** Requests that are under way at once. */
const CONCURRENCY = 16;

/**
 * Makes the claims, bound, and waits for that.
 * @returns what makes the ImageDiffs.
 */
export async function makeWorld(
  admin: Client,
  count: number,
  say: (text: string) => void,
): Promise<() => Promise<void>> {
  await admin.create<KubeObject>({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: NAMESPACE },
  });
  await eventually(async () =>
    admin.find(`/api/v1/namespaces/${NAMESPACE}/serviceaccounts/default`),
  );
  const names = Array.from({ length: count }, (_, index) => `vm-${String(index).padStart(4, "0")}`);
  say(`making ${count + 2} claims ...`);
  await forEach(["golden", "thin", ...names], async (name) => makeClaim(admin, name));
  await eventually(
    async () => {
      const claims = await admin.list<PersistentVolumeClaim>(
        `/api/v1/namespaces/${NAMESPACE}/persistentvolumeclaims`,
      );
      return claims.every(({ status }) => status?.phase === "Bound");
    },
    { timeoutMs: 600_000, intervalMs: 1000 },
  );
  return async () => forEach(names, async (name) => makeImageDiff(admin, name));
}

async function makeClaim(admin: Client, name: string): Promise<void> {
  const spec = { accessModes: ["ReadWriteMany"], storageClassName: "" };
  const volume: PersistentVolume = {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name },
    spec: {
      ...spec,
      capacity: { storage: "1Gi" },
      persistentVolumeReclaimPolicy: "Retain",
      claimRef: { namespace: NAMESPACE, name },
      csi: { driver: "csi.example.com", volumeHandle: name },
    },
  };
  const claim: PersistentVolumeClaim = {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name, namespace: NAMESPACE },
    spec: { ...spec, volumeName: name, resources: { requests: { storage: "1Gi" } } },
  };
  await admin.create(volume);
  await admin.create(claim);
}

async function makeImageDiff(admin: Client, name: string): Promise<void> {
  const manifest = {
    apiVersion: "imagediff.io/v1alpha1",
    kind: "ImageDiff",
    metadata: { name, namespace: NAMESPACE },
    spec: {
      base: { claimName: "golden" },
      modified: { claimName: name },
      output: { claimName: "thin" },
    },
  };
  await admin.create(manifest);
}

async function forEach<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async (): Promise<void> => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}
