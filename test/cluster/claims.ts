/** Claims and the volumes behind them; the real controller binds the two. */
import { onTestFinished } from "vitest";
import type { PersistentVolume, PersistentVolumeClaim } from "kubernetes-types/core/v1.d.ts";
import type { Client } from "./client.ts";
import { eventually } from "./eventually.ts";

export interface ClaimOptions {
  namespace: string;
  name: string;
  mode?: "Filesystem" | "Block";
  accessModes?: string[];
  /** What the volume has; the claim asks for the same. */
  capacity?: string;
  storageClassName?: string;
  /** False for a claim that waits for its volume, which `provision` makes. */
  bound?: boolean;
  /** The only nodes that can reach the volume. */
  nodes?: string[];
}

/** Makes a claim, and its volume unless it is to wait for one; the volume goes with the test. */
export async function claim(admin: Client, options: ClaimOptions): Promise<PersistentVolumeClaim> {
  const { namespace, name, mode = "Filesystem", accessModes = ["ReadWriteOnce"] } = options;
  const { capacity = "1Gi", storageClassName = "", bound = true } = options;
  const made = await admin.create<PersistentVolumeClaim>({
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name, namespace },
    spec: {
      volumeMode: mode,
      accessModes,
      storageClassName,
      resources: { requests: { storage: capacity } },
    },
  });
  return bound ? provision(admin, made, options.nodes) : made;
}

/** Makes the volume for a claim that waits for one, and returns the claim once it is bound. */
export async function provision(
  admin: Client,
  pvc: PersistentVolumeClaim,
  nodes?: readonly string[],
): Promise<PersistentVolumeClaim> {
  const { name = "", namespace = "", uid = "" } = pvc.metadata ?? {};
  const { volumeMode = "Filesystem", accessModes = [], storageClassName = "" } = pvc.spec ?? {};
  const volume: PersistentVolume = {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name: `${namespace}-${name}` },
    spec: {
      ...{ volumeMode, accessModes, storageClassName },
      capacity: { storage: pvc.spec?.resources?.requests?.["storage"] ?? "1Gi" },
      // Nobody is there who could delete or clean it.
      persistentVolumeReclaimPolicy: "Retain",
      claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", name, namespace, uid },
      csi: { driver: "csi.example.com", volumeHandle: uid },
      ...(nodes === undefined ? {} : { nodeAffinity: { required: onlyOn(nodes) } }),
    },
  };
  await admin.create(volume);
  onTestFinished(async () => admin.delete(volume));
  return eventually(async () => {
    const now = await admin.get<PersistentVolumeClaim>(pvc);
    return now.status?.phase === "Bound" ? now : undefined;
  });
}

function onlyOn(nodes: readonly string[]) {
  const hostnames = { key: "kubernetes.io/hostname", operator: "In", values: [...nodes] };
  return { nodeSelectorTerms: [{ matchExpressions: [hostnames] }] };
}
