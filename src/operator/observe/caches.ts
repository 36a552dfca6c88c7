/** What the controller keeps of the cluster in memory, and how it is kept true. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { PersistentVolume, PersistentVolumeClaim, Pod } from "kubernetes-types/core/v1.d.ts";
import type { StorageClass } from "kubernetes-types/storage/v1.d.ts";
import type { Client } from "../../kube/client.ts";
import type { Log } from "../../kube/log.ts";
import { Reflector, type ReflectorHooks, type ReflectorOptions } from "../../kube/reflector.ts";
import type { KubeObject } from "../../kube/resource-type.ts";
import { Store, type Change } from "../../kube/store.ts";
import { ENGINE_SELECTOR } from "../plan/labels.ts";
import * as kinds from "../resources.ts";
import type { StoredImageDiff } from "../resources.ts";
import { imageDiffIndexes, jobIndexes, podIndexes } from "./indexes.ts";
import { Scoped } from "./scoped.ts";
import { slimClaim, slimPod, slimStorageClass, slimVolume, withoutManagedFields } from "./slim.ts";

/** Whom to tell after a cache has changed. */
export interface CacheListeners {
  imageDiff: (change: Change<StoredImageDiff>) => void;
  job: (change: Change<Job>) => void;
  pod: (change: Change<Pod>) => void;
  claim: (change: Change<PersistentVolumeClaim>) => void;
  volume: (change: Change<PersistentVolume>) => void;
}

export interface CacheOptions {
  client: Client;
  /** Namespaces to watch; empty for all. */
  namespaces: readonly string[];
  log: Log;
  hooks: ReflectorHooks;
}

export class Caches {
  readonly imageDiffs: Scoped<StoredImageDiff>;
  readonly jobs: Scoped<Job>;
  readonly pods: Scoped<Pod>;
  readonly claims: Scoped<PersistentVolumeClaim>;
  readonly volumes = new Store<PersistentVolume>();
  readonly storageClasses = new Store<StorageClass>();
  readonly #options: CacheOptions;
  readonly #reflectors: Reflecting[] = [];

  constructor(options: CacheOptions, listeners: CacheListeners) {
    this.#options = options;
    const scopes = options.namespaces.length === 0 ? [undefined] : options.namespaces;
    this.imageDiffs = new Scoped(scopes, imageDiffIndexes);
    this.jobs = new Scoped(scopes, jobIndexes);
    this.pods = new Scoped(scopes, podIndexes);
    this.claims = new Scoped(scopes);
    for (const [scope, namespace] of scopes.entries()) {
      this.#reflect({
        namespace,
        type: kinds.ImageDiffs,
        store: this.imageDiffs.store(scope),
        transform: withoutManagedFields,
        onChange: listeners.imageDiff,
      });
      this.#reflect({
        namespace,
        type: kinds.Jobs,
        store: this.jobs.store(scope),
        labelSelector: ENGINE_SELECTOR,
        transform: withoutManagedFields,
        onChange: listeners.job,
      });
      this.#reflect({
        namespace,
        type: kinds.Pods,
        store: this.pods.store(scope),
        transform: slimPod,
        onChange: listeners.pod,
      });
      this.#reflect({
        namespace,
        type: kinds.Claims,
        store: this.claims.store(scope),
        transform: slimClaim,
        onChange: listeners.claim,
      });
    }
    // A controller of some namespaces may not read what belongs to none. It then cannot foresee
    // what the scheduler will say, and tells it afterwards.
    this.#reflect({
      type: kinds.PersistentVolumes,
      store: this.volumes,
      transform: slimVolume,
      onChange: listeners.volume,
      optional: true,
    });
    this.#reflect({
      type: kinds.StorageClasses,
      store: this.storageClasses,
      transform: slimStorageClass,
      optional: true,
    });
  }

  /** Keeps every cache true until the signal; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#reflectors.map(async (reflector) => reflector.run(signal)));
  }

  /** Resolves once every cache has been filled. */
  async whenSynced(): Promise<void> {
    await Promise.all(this.#reflectors.map(async ({ whenSynced }) => whenSynced));
  }

  /** Whether every cache has been filled once. */
  get synced(): boolean {
    return this.#reflectors.every(({ synced }) => synced);
  }

  #reflect<T extends KubeObject>(
    own: Omit<ReflectorOptions<T>, "client" | "log" | "hooks" | "random">,
  ): void {
    const { client, log, hooks } = this.#options;
    this.#reflectors.push(new Reflector({ client, log, hooks, ...own }));
  }
}

/** What a reflector is to whoever does not care what it reflects. */
type Reflecting = Pick<Reflector<KubeObject>, "run" | "synced" | "whenSynced">;
