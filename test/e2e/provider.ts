/** A volume for a claim that somebody else makes, as a cluster's provisioner would make it. */
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import type { PersistentVolume } from "kubernetes-types/core/v1.d.ts";
import type { Client } from "../cluster/client.ts";
import { node } from "../node/cluster.ts";

/**
 * Makes the volume for the claim of that name, there already or not: a folder on the first of our
 * own nodes, for the running test.
 * @returns the folder as programs of this machine see it.
 */
export async function provide(admin: Client, namespace: string, name: string): Promise<string> {
  const where = node(1);
  const folder = join(dirname(where.description.folder), "volumes", randomUUID());
  mkdirSync(folder, { recursive: true });
  const hostnames = { key: "kubernetes.io/hostname", operator: "In", values: [where.name] };
  const volume: PersistentVolume = {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name: `${namespace}-${name}` },
    spec: {
      accessModes: ["ReadWriteOnce"],
      capacity: { storage: "2Gi" },
      persistentVolumeReclaimPolicy: "Retain",
      claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", name, namespace },
      local: { path: folder },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [hostnames] }] } },
    },
  };
  await admin.create(volume);
  onTestFinished(async () => admin.delete(volume));
  return folder;
}
