/** What the controller keeps of the cluster in memory, and how it is kept true. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { PersistentVolume, PersistentVolumeClaim, Pod } from "kubernetes-types/core/v1.d.ts";
import type { StorageClass } from "kubernetes-types/storage/v1.d.ts";
import type { Client } from "../../kube/client.ts";
import { Reflector, type ReflectorOptions } from "../../kube/reflector.ts";
import type { KubeObject } from "../../kube/resource-type.ts";
import { Store } from "../../kube/store.ts";
import { ENGINE_SELECTOR } from "../plan/labels.ts";
import * as kinds from "../resources.ts";
import type { StoredImageDiff } from "../resources.ts";
import { imageDiffIndexes, jobIndexes, podIndexes } from "./indexes.ts";
import { slimClaim, slimPod, slimStorageClass, slimVolume, withoutManagedFields } from "./slim.ts";

export interface Change<T> {
  before?: T;
  after?: T;
}

/** Whom to tell after a cache has changed. */
export interface CacheListeners {
  imageDiff(change: Change<StoredImageDiff>): void;
  job(change: Change<Job>): void;
  pod(change: Change<Pod>): void;
  claim(change: Change<PersistentVolumeClaim>): void;
}

export interface CacheOptions extends Pick<ReflectorOptions<KubeObject>, "log" | "hooks"> {
  client: Client;
  /** Namespaces to watch; empty for all. */
  namespaces: readonly string[];
}

export class Caches {
  readonly imageDiffs = new Store<StoredImageDiff>(imageDiffIndexes);
  readonly jobs = new Store<Job>(jobIndexes);
  readonly pods = new Store<Pod>(podIndexes);
  readonly claims = new Store<PersistentVolumeClaim>();
  readonly volumes = new Store<PersistentVolume>();
  readonly storageClasses = new Store<StorageClass>();
  readonly #reflectors: Reflector<KubeObject>[];

  constructor(options: CacheOptions, listeners: CacheListeners) {
    const scopes = options.namespaces.length === 0 ? [undefined] : options.namespaces;
    const { client, log, hooks } = options;
    const common = { client, ...(log && { log }), ...(hooks && { hooks }) };
    const reflector = <T extends KubeObject>(own: Omit<ReflectorOptions<T>, "client">) =>
      new Reflector<T>({ ...common, ...own }) as unknown as Reflector<KubeObject>;
    this.#reflectors = [
      ...scopes.flatMap((namespace) => {
        const scope = namespace === undefined ? {} : { namespace };
        return [
          reflector({
            ...scope,
            type: kinds.ImageDiffs,
            store: this.imageDiffs,
            transform: withoutManagedFields,
            onChange: (change) => listeners.imageDiff(change),
          }),
          reflector({
            ...scope,
            type: kinds.Jobs,
            store: this.jobs,
            labelSelector: ENGINE_SELECTOR,
            transform: withoutManagedFields,
            onChange: (change) => listeners.job(change),
          }),
          reflector({
            ...scope,
            type: kinds.Pods,
            store: this.pods,
            transform: slimPod,
            onChange: (change) => listeners.pod(change),
          }),
          reflector({
            ...scope,
            type: kinds.Claims,
            store: this.claims,
            transform: slimClaim,
            onChange: (change) => listeners.claim(change),
          }),
        ];
      }),
      // A controller of some namespaces only may not read what belongs to none. It then cannot
      // foresee what the scheduler will say, and tells it afterwards.
      reflector({
        type: kinds.PersistentVolumes,
        store: this.volumes,
        transform: slimVolume,
        optional: true,
      }),
      reflector({
        type: kinds.StorageClasses,
        store: this.storageClasses,
        transform: slimStorageClass,
        optional: true,
      }),
    ];
  }

  /** Keeps every cache true until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.run(signal)));
  }

  /** Resolves once every cache has been filled. */
  async whenSynced(): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.whenSynced));
  }

  get synced(): boolean {
    return this.#reflectors.every((reflector) => reflector.synced);
  }
}
