/** Several stores read as one: a store for each namespace that is watched. */
import type { KubeObject, ObjectKey } from "../../kube/resource-type.ts";
import { Store, type Indexer } from "../../kube/store.ts";

/** What decisions read from. */
export interface Objects<T extends KubeObject> {
  get(key: ObjectKey): T | undefined;
  all(): Iterable<T>;
  by(index: string, value: string): readonly T[];
}

export class Scoped<T extends KubeObject> implements Objects<T> {
  readonly #stores: readonly Store<T>[];

  /** @param scopes the namespaces; undefined stands for all of them. */
  constructor(scopes: readonly (string | undefined)[], indexes: Record<string, Indexer<T>> = {}) {
    this.#stores = scopes.map(() => new Store(indexes));
  }

  /** The store of the nth scope, for whoever fills it. */
  store(scope: number): Store<T> {
    const store = this.#stores[scope];
    if (store === undefined) throw new Error(`There is no scope ${scope}.`);
    return store;
  }

  get(key: ObjectKey): T | undefined {
    for (const store of this.#stores) {
      const object = store.get(key);
      if (object !== undefined) return object;
    }
    return undefined;
  }

  *all(): Iterable<T> {
    for (const store of this.#stores) yield* store.all();
  }

  by(index: string, value: string): readonly T[] {
    return this.#stores.flatMap((store) => store.by(index, value));
  }
}
