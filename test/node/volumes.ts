/**
 * Volumes of our own nodes: folders, file systems and block devices of this machine, behind claims,
 * whose contents the tests see and write from outside.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import type { PersistentVolume, PersistentVolumeClaim } from "kubernetes-types/core/v1.d.ts";
import type { Client } from "../cluster/client.ts";
import { eventually } from "../cluster/eventually.ts";
import { must } from "../support/command.ts";
import { volumesFolder } from "./leftovers.ts";
import { makeLoop, releaseLoop } from "./loops.ts";
import type { Node } from "./node.ts";

export interface VolumeOptions {
  namespace: string;
  /** Of the claim. */
  name: string;
  /** Those that can reach the volume; pods that use it are placed on one of them. */
  nodes: readonly Node[];
  accessModes?: string[];
  /** Of the file system or device, and what claim and volume say: 256 MiB unless given. */
  bytes?: number;
  storageClassName?: string;
  /** Whether the claim is to wait for a pod that uses it: its storage class must say so too. */
  waits?: boolean;
  /** For a test that ends the whole cluster: else claim and volume go with the test. */
  kept?: boolean;
}

type Undo = () => Promise<void>;

function afterwards({ kept = false }: VolumeOptions, undo: Undo): void {
  if (!kept) onTestFinished(undo);
}

const makers = {
  ext4: ["mkfs.ext4", "-q", "-F"],
  xfs: ["mkfs.xfs", "-q", "-m", "reflink=1"],
} as const;

/**
 * A Filesystem claim of a folder, for the running test; the folder as a program outside the nodes
 * sees it.
 * @param filesystem of the volume's own, mounted in the nodes; or a plain folder of this machine's,
 * which is as large as that has space.
 */
export async function folderVolume(
  admin: Client,
  options: VolumeOptions & { filesystem?: keyof typeof makers | "folder" },
): Promise<string> {
  const { nodes, filesystem = "folder", bytes = 256 * 2 ** 20 } = options;
  const folder = newFolder(nodes);
  let seen = folder;
  if (filesystem !== "folder") {
    const image = `${folder}.image`;
    makeFile(image, bytes);
    const [program, ...args] = makers[filesystem];
    await must(program, [...args, image]);
    for (const node of nodes) {
      // The device goes with the last node's mount. Two mounts of one device are one file system.
      await node.run("mount", "--no-mtab", "-o", "loop", image, folder);
      // A pod may still be about to end.
      afterwards(
        options,
        async () => void (await node.run("umount", "--no-mtab", "--lazy", folder)),
      );
    }
    seen = first(nodes).path(folder);
  }
  await bind(admin, options, { volumeMode: "Filesystem", path: folder });
  return seen;
}

/**
 * A Block claim of a device, for the running test; the file whose bytes the device shows, once who
 * writes to it has synced it, or has ended.
 * @param content a file of these bytes, in place of one of zeroes.
 */
export async function blockVolume(
  admin: Client,
  options: VolumeOptions & { content?: string },
): Promise<string> {
  const { nodes, content, bytes = 256 * 2 ** 20 } = options;
  const file = `${newFolder(nodes)}.disk`;
  if (content === undefined) makeFile(file, bytes);
  else await must("cp", ["--sparse=always", content, file]);
  const device = await makeLoop(file);
  afterwards(options, async () => releaseLoop(device));
  await bind(admin, options, { volumeMode: "Block", path: device });
  return file;
}

/** Below the site's folder, which every node has at the same place. */
function newFolder(nodes: readonly Node[]): string {
  const site = dirname(first(nodes).description.folder);
  const folder = join(volumesFolder(site), randomUUID());
  mkdirSync(folder, { recursive: true });
  return folder;
}

function first(nodes: readonly Node[]): Node {
  const [node] = nodes;
  if (node === undefined) throw new Error("a volume of no node cannot be used");
  return node;
}

function makeFile(path: string, bytes: number): void {
  writeFileSync(path, "");
  truncateSync(path, bytes);
}

/** Makes the claim and its volume, and resolves once they are bound. */
async function bind(
  admin: Client,
  options: VolumeOptions,
  { volumeMode, path }: { volumeMode: string; path: string },
): Promise<void> {
  const { namespace, name, nodes, accessModes = ["ReadWriteOnce"] } = options;
  const { bytes = 256 * 2 ** 20, storageClassName = "", waits = false } = options;
  const names = nodes.map((node) => node.name);
  const common = { volumeMode, accessModes, storageClassName };
  const claim = await admin.create<PersistentVolumeClaim>({
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name, namespace },
    spec: { ...common, resources: { requests: { storage: String(bytes) } } },
  });
  const { uid = "" } = claim.metadata ?? {};
  const hostnames = { key: "kubernetes.io/hostname", operator: "In", values: names };
  const volume: PersistentVolume = {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name: `${namespace}-${name}` },
    spec: {
      ...common,
      capacity: { storage: String(bytes) },
      // Nobody is there who could delete or clean it.
      persistentVolumeReclaimPolicy: "Retain",
      ...(waits
        ? {}
        : { claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", name, namespace, uid } }),
      local: { path },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [hostnames] }] } },
    },
  };
  await admin.create(volume);
  afterwards(options, async () => {
    await admin.delete(claim);
    await admin.delete(volume);
  });
  if (waits) return;
  await eventually(async () => {
    const now = await admin.get<PersistentVolumeClaim>(claim);
    return now.status?.phase === "Bound";
  });
}
