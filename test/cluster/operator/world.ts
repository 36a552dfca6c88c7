/** A namespace with claims, a node and a controller: where an ImageDiff lives through its life. */
import { onTestFinished } from "vitest";
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { Event } from "kubernetes-types/events/v1.d.ts";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { API_VERSION, KIND, type ImageDiff } from "../../../src/api/resource.ts";
import type { ImageDiffStatus } from "../../../src/api/status.ts";
import { connect } from "../../../src/kube/connection.ts";
import { loadKubeConfig } from "../../../src/kube/kube-config.ts";
import { silent } from "../../../src/kube/log.ts";
import type { Transport } from "../../../src/kube/transport.ts";
import { Controller, type ControllerOptions } from "../../../src/operator/controller.ts";
import type { StoredImageDiff } from "../../../src/operator/resources.ts";
import type { Settings } from "../../../src/operator/plan/observation.ts";
import { expectKstatus } from "../../operator/plan/kstatus.ts";
import { claim, type ClaimOptions } from "../claims.ts";
import type { Client } from "../client.ts";
import { cluster, kubeconfig, namespace, tokenOf } from "../cluster.ts";
import { eventually, type EventuallyOptions } from "../eventually.ts";
import { startKubelet, type Kubelet } from "../kubelet.ts";
import type { PlayedPod } from "../pod.ts";

/** As `deploy/` names it. */
export const ACCOUNT = { namespace: "imagediff-system", name: "imagediff-controller" };

export const settings: Settings = {
  engineImage: "example.com/imagediff-engine:test",
  resources: { requests: { cpu: "100m", memory: "64Mi" }, limits: { cpu: "1", memory: "256Mi" } },
};

export type Spec = Record<string, unknown>;

export class World {
  readonly admin: Client;
  readonly space: string;
  readonly kubelet: Kubelet;
  readonly #patience: EventuallyOptions;

  /** @param patience of whatever it waits for. */
  constructor(admin: Client, space: string, kubelet: Kubelet, patience: EventuallyOptions = {}) {
    this.admin = admin;
    this.space = space;
    this.kubelet = kubelet;
    this.#patience = patience;
  }

  /** Makes a bound claim. */
  async claim(name: string, options: Partial<ClaimOptions> = {}): Promise<void> {
    await claim(this.admin, { namespace: this.space, name, ...options });
  }

  /** The claims of `imageDiff`: golden, root and thin. */
  async claims(): Promise<void> {
    await Promise.all(["golden", "root", "thin"].map(async (name) => this.claim(name)));
  }

  /** Makes an ImageDiff of golden and root, the overlay on thin. */
  async imageDiff(name = "web-01", spec: Spec = {}): Promise<ImageDiff> {
    const made = await this.admin.create<StoredImageDiff & { spec: object }>({
      apiVersion: API_VERSION,
      kind: KIND,
      metadata: { name, namespace: this.space },
      spec: {
        base: { claimName: "golden" },
        modified: { claimName: "root" },
        output: { claimName: "thin" },
        ...spec,
      } as object,
    });
    return made as unknown as ImageDiff;
  }

  async get(name = "web-01"): Promise<ImageDiff & { status: ImageDiffStatus }> {
    return this.admin.get(this.path(name));
  }

  path(name = "web-01"): string {
    return `/apis/${API_VERSION}/namespaces/${this.space}/imagediffs/${name}`;
  }

  /** Merges into the spec, as a user does. */
  async edit(spec: Spec, name = "web-01"): Promise<void> {
    await this.admin.patch(this.path(name), { spec });
  }

  /**
   * The status, once Ready has that reason; whatever it is, it must be fit for kstatus, the
   * resource's generation seen.
   */
  async ready(reason: string, name = "web-01"): Promise<ImageDiffStatus> {
    return eventually(async () => {
      const resource = await this.get(name);
      const ready = resource.status?.conditions?.find(({ type }) => type === "Ready");
      if (ready?.reason !== reason) {
        throw new Error(`Ready is ${ready?.status} ${ready?.reason}: ${ready?.message}`);
      }
      if (resource.status.observedGeneration !== resource.metadata.generation) return undefined;
      expectKstatus(resource);
      return resource.status;
    }, this.#patience);
  }

  async jobs(): Promise<Job[]> {
    return this.admin.list(`/apis/batch/v1/namespaces/${this.space}/jobs`);
  }

  async pods(labelSelector = "app.kubernetes.io/component=engine"): Promise<Pod[]> {
    return this.admin.list(`/api/v1/namespaces/${this.space}/pods`, { labelSelector });
  }

  /** The engine's pod that waits for a node. */
  async newPod(): Promise<Pod> {
    return eventually(
      async () =>
        (await this.pods()).find(
          ({ spec, metadata }) =>
            spec?.nodeName === undefined && metadata?.deletionTimestamp === undefined,
        ),
      this.#patience,
    );
  }

  /** The same, placed on the node. */
  async place(): Promise<PlayedPod> {
    return this.kubelet.run(await this.newPod());
  }

  /** A pod of a user that uses a claim; it runs on the node unless told otherwise. */
  async user(
    name: string,
    claimName: string,
    { readOnly = false, labels = {}, run = true } = {},
  ): Promise<Pod> {
    const pod = await this.admin.create<Pod>({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: this.space, labels },
      spec: {
        restartPolicy: "Never",
        containers: [
          {
            name: "main",
            image: "example.com/none",
            volumeMounts: [{ name: "disk", mountPath: "/disk", readOnly }],
          },
        ],
        volumes: [{ name: "disk", persistentVolumeClaim: { claimName } }],
      },
    });
    if (run) await (await this.kubelet.run(pod)).start();
    return pod;
  }

  async remove(kind: "pods" | "persistentvolumeclaims", name: string): Promise<void> {
    await this.admin.delete(`/api/v1/namespaces/${this.space}/${kind}/${name}`, {
      gracePeriodSeconds: 0,
    });
  }

  /** What has been told about an ImageDiff. */
  async events(name = "web-01"): Promise<Event[]> {
    const path = `/apis/events.k8s.io/v1/namespaces/${this.space}/events`;
    const events = await this.admin.list<Event>(path);
    return events.filter(({ regarding }) => regarding?.kind === KIND && regarding.name === name);
  }
}

export interface WorldOptions {
  /** Labels of the namespace. */
  labels?: Record<string, string>;
  /** False where the test starts its own. */
  controller?: boolean;
  settings?: Partial<Settings>;
  /** Between the controller and the API server. */
  wrap?: (transport: Transport) => Transport;
}

/** For the running test; all of it goes when that has ended. */
export async function world(admin: Client, options: WorldOptions = {}): Promise<World> {
  const space = await namespace(admin, options.labels);
  const kubelet = await startKubelet(cluster());
  onTestFinished(async () => kubelet.stop());
  if (options.controller !== false) await startController(admin, space, options);
  return new World(admin, space, kubelet);
}

/** A controller of one namespace, with the rights that `deploy/` gives and no others. */
export async function startController(
  admin: Client,
  space: string,
  { settings: own = {}, wrap = (transport) => transport }: WorldOptions = {},
): Promise<{ controller: Controller; stop: () => Promise<void> }> {
  const token = await tokenOf(admin, ACCOUNT.namespace, ACCOUNT.name);
  const { config } = loadKubeConfig(kubeconfig(token));
  const connection = connect(config);
  const options: ControllerOptions = {
    transport: wrap(connection),
    log: silent,
    settings: { ...settings, ...own },
    namespaces: [space],
    concurrency: 4,
    identity: "test",
  };
  const controller = new Controller(options);
  const end = new AbortController();
  const running = controller.run(end.signal);
  const stop = async (): Promise<void> => {
    end.abort();
    await running;
    await connection.close();
  };
  onTestFinished(stop);
  await eventually(() => controller.ready);
  return { controller, stop };
}
