/** A namespace with claims on real volumes, and what the tests do and see there. */
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { API_VERSION, KIND, type ImageDiff } from "../../src/api/resource.ts";
import type { ImageDiffStatus } from "../../src/api/status.ts";
import type { Client, KubeObject } from "../cluster/client.ts";
import { namespace } from "../cluster/cluster.ts";
import { eventually, Hopeless } from "../cluster/eventually.ts";
import { node } from "../node/cluster.ts";
import type { Node } from "../node/node.ts";
import { blockVolume, folderVolume, type VolumeOptions } from "../node/volumes.ts";
import { expectKstatus } from "../operator/plan/kstatus.ts";
import { must } from "../support/command.ts";

/** A pod may have to be scheduled, its volumes mounted and its work done, on a busy machine. */
export const patience = { timeoutMs: 240_000, intervalMs: 100 };

export type Finished = ImageDiff & { status: ImageDiffStatus };

/** A file in one of the claims, by the claim's name and the path in it; none for a device. */
export interface Place {
  claim: string;
  path?: string;
  format?: string;
}

type ClaimOptions = Partial<Omit<VolumeOptions, "namespace" | "name" | "nodes">> & {
  nodes?: readonly Node[];
};

export class Scene {
  readonly admin: Client;
  readonly space: string;
  /** Where programs of this machine see the claims. */
  readonly #seen = new Map<string, string>();
  /** Checksums of what was put there, by path. */
  readonly sources = new Map<string, string>();

  constructor(admin: Client, space: string) {
    this.admin = admin;
    this.space = space;
  }

  /** Makes a bound Filesystem claim of a file system of its own, on one node unless told otherwise. */
  async folder(
    name: string,
    { filesystem = "ext4", ...options }: ClaimOptions & { filesystem?: "ext4" | "xfs" } = {},
  ): Promise<void> {
    const here = { namespace: this.space, name, nodes: [node(1)], ...options };
    this.#seen.set(name, await folderVolume(this.admin, { ...here, filesystem }));
  }

  /** Makes a bound Block claim whose device holds these bytes. */
  async device(name: string, content: string, options: ClaimOptions = {}): Promise<void> {
    const here = { namespace: this.space, name, nodes: [node(1)], ...options };
    const file = await blockVolume(this.admin, { ...here, content });
    this.#seen.set(name, file);
    this.sources.set(file, await checksum(file));
  }

  /** Knows a claim that somebody else has made, and where programs of this machine see it. */
  adopt(name: string, folder: string): void {
    this.#seen.set(name, folder);
  }

  /** Puts a copy of an image into a claim, as KubeVirt has its disks: for user 107 alone. */
  async put(image: string, { claim, path = "disk.img" }: Place): Promise<void> {
    const target = this.see({ claim, path });
    await must("cp", ["--sparse=always", image, target]);
    await must("chown", ["107:107", target]);
    await must("chmod", ["660", target]);
    await this.note({ claim, path });
  }

  /** Takes an image as it is now for what must not change from now on. */
  async note(place: Place): Promise<void> {
    this.sources.set(this.see(place), await checksum(this.see(place)));
  }

  /** Where programs of this machine find it. */
  see({ claim, path }: Place): string {
    const seen = this.#seen.get(claim);
    if (seen === undefined) throw new Error(`there is no claim ${claim}`);
    return path === undefined ? seen : join(seen, path);
  }

  /** Makes an ImageDiff of golden and root, the overlay on thin. */
  async imageDiff(name = "web-01", spec: Record<string, unknown> = {}): Promise<void> {
    const manifest: KubeObject & { spec: object } = {
      apiVersion: API_VERSION,
      kind: KIND,
      metadata: { name, namespace: this.space },
      spec: {
        base: { claimName: "golden" },
        modified: { claimName: "root" },
        output: { claimName: "thin" },
        ...spec,
      },
    };
    await this.admin.create(manifest);
  }

  async get(name = "web-01"): Promise<ImageDiff & { status?: ImageDiffStatus }> {
    return this.admin.get(`/apis/${API_VERSION}/namespaces/${this.space}/imagediffs/${name}`);
  }

  /** The ImageDiff once its Ready condition has that reason, fit for all who wait for it. */
  async ready(reason = "OverlayReady", name = "web-01"): Promise<Finished> {
    return eventually(async () => {
      const resource = await this.get(name);
      const { status } = resource;
      const ready = status?.conditions?.find(({ type }) => type === "Ready");
      if (status === undefined || ready?.reason !== reason) {
        const what = `${name} is ${status?.phase} ${ready?.reason}: ${ready?.message}`;
        throw status?.completionTime === undefined ? new Error(what) : new Hopeless(what);
      }
      expectKstatus(resource);
      return { ...resource, status };
    }, patience);
  }

  /** The ImageDiff once it has failed for good, for that reason. */
  async failed(reason: string, name = "web-01"): Promise<Finished> {
    await eventually(async () => (await this.get(name)).status?.completionTime, patience);
    return this.ready(reason, name);
  }

  async jobs(): Promise<Job[]> {
    return this.admin.list(`/apis/batch/v1/namespaces/${this.space}/jobs`);
  }

  async enginePods(): Promise<Pod[]> {
    return this.admin.list(`/api/v1/namespaces/${this.space}/pods`, {
      labelSelector: "app.kubernetes.io/component=engine",
    });
  }
}

/** A new one for the running test; its pods must fit the Pod Security level `restricted`. */
export async function scene(admin: Client, labels: Record<string, string> = {}): Promise<Scene> {
  const enforced = { "pod-security.kubernetes.io/enforce": "restricted" };
  return new Scene(admin, await namespace(admin, { ...enforced, ...labels }));
}

/** The claims golden, root and thin, with these images as the disk.img of the first two. */
export async function threeClaims(
  admin: Client,
  images: { golden: string; root: string },
): Promise<Scene> {
  const made = await scene(admin);
  for (const name of ["golden", "root", "thin"]) await made.folder(name);
  await made.put(images.golden, { claim: "golden" });
  await made.put(images.root, { claim: "root" });
  return made;
}

/** Settings of a Job with so little processor time that its engine is at work for a while. */
export const slowly = {
  resources: { limits: { cpu: "20m", memory: "512Mi" }, requests: { cpu: "10m" } },
};

/** Resolves once the engine has told progress; the name of its node. */
export async function atWork(here: Scene, name = "web-01"): Promise<string> {
  return eventually(async () => {
    const { status } = await here.get(name);
    if (status?.completionTime !== undefined) throw new Hopeless("the engine was too quick");
    return status?.phase === "Comparing" ? status.node : undefined;
  }, patience);
}

export async function checksum(path: string): Promise<string> {
  if (!existsSync(path)) throw new Error(`${path} is gone`);
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
