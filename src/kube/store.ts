/** Objects of one kind by name, and by whatever else they are looked up by. */
import { keyOf, keyText, type KubeObject, type ObjectKey } from "./resource-type.ts";

/** An addition has no `before`, a removal no `after`. */
export interface Change<T> {
  before?: T;
  after?: T;
}

/** The values under which an object is found. */
export type Indexer<T> = (object: T) => readonly string[];

export class Store<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #indexes: ReadonlyMap<string, { of: Indexer<T>; found: Map<string, Map<string, T>> }>;

  constructor(indexes: Record<string, Indexer<T>> = {}) {
    this.#indexes = new Map(
      Object.entries(indexes).map(([name, of]) => [name, { of, found: new Map() }]),
    );
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: ObjectKey): T | undefined {
    return this.#objects.get(keyText(key));
  }

  all(): Iterable<T> {
    return this.#objects.values();
  }

  /** @throws Error where the store has no such index. */
  by(index: string, value: string): readonly T[] {
    const found = this.#indexes.get(index)?.found;
    if (found === undefined) throw new Error(`The store has no index ${index}.`);
    return [...(found.get(value)?.values() ?? [])];
  }

  /** Makes these, and no others, what the store holds. */
  replaceAll(items: Iterable<T>): Array<Change<T>> {
    const gone = new Map(this.#objects);
    const changes: Array<Change<T>> = [];
    for (const item of items) {
      gone.delete(keyText(keyOf(item)));
      changes.push(...this.upsert(item));
    }
    // Removals first: whoever follows the changes never sees more than there was.
    return [...[...gone.values()].flatMap((object) => this.remove(keyOf(object))), ...changes];
  }

  /**
   * Adds an object, or puts it in its predecessor's place. Nothing changes where that has the
   * same resourceVersion; another uid is another object, and comes as a removal and an addition.
   */
  upsert(after: T): Array<Change<T>> {
    const key = keyText(keyOf(after));
    const before = this.#objects.get(key);
    if (before !== undefined && sameVersion(before, after)) return [];
    this.#unindex(key, before);
    this.#objects.set(key, after);
    this.#index(key, after);
    if (before === undefined) return [{ after }];
    if (before.metadata?.uid === after.metadata?.uid) return [{ before, after }];
    return [{ before }, { after }];
  }

  remove(key: ObjectKey): Array<Change<T>> {
    const text = keyText(key);
    const before = this.#objects.get(text);
    if (before === undefined) return [];
    this.#unindex(text, before);
    this.#objects.delete(text);
    return [{ before }];
  }

  #index(key: string, object: T): void {
    for (const { of, found } of this.#indexes.values()) {
      for (const value of of(object)) {
        const keys = found.get(value) ?? new Map<string, T>();
        found.set(value, keys.set(key, object));
      }
    }
  }

  #unindex(key: string, object: T | undefined): void {
    if (object === undefined) return;
    for (const { of, found } of this.#indexes.values()) {
      for (const value of of(object)) {
        const keys = found.get(value);
        keys?.delete(key);
        if (keys?.size === 0) found.delete(value);
      }
    }
  }
}

function sameVersion({ metadata: a }: KubeObject, { metadata: b }: KubeObject): boolean {
  return (
    a?.resourceVersion !== undefined && a.resourceVersion === b?.resourceVersion && a.uid === b.uid
  );
}
