/** Objects, their versions, and what has happened to them: etcd, as far as the API shows it. */
import type { KubeObject } from "../../../../src/kube/resource-type.ts";

/** An object as it is stored; never changed in place. */
export type Stored = KubeObject & { spec?: unknown; status?: unknown };

export type EventType = "ADDED" | "MODIFIED" | "DELETED";

export interface Happening {
  type: EventType;
  revision: number;
  /** When, in milliseconds. */
  at: number;
  kind: string;
  object: Stored;
  before: Stored | undefined;
  /** The event as a watch tells it. */
  line: string;
}

interface Kind {
  objects: Map<string, Stored>;
  history: Happening[];
  /** What happened up to here is forgotten. */
  compacted: number;
}

export class Store {
  readonly #kinds = new Map<string, Kind>();
  readonly #texts = new WeakMap<Stored, string>();
  #revision = 1000;

  /** Of the last change to anything. */
  get revision(): number {
    return this.#revision;
  }

  kind(name: string): Kind {
    const found = this.#kinds.get(name) ?? {
      objects: new Map<string, Stored>(),
      history: [],
      compacted: 0,
    };
    this.#kinds.set(name, found);
    return found;
  }

  /** An object in JSON. */
  text(object: Stored): string {
    const text = this.#texts.get(object) ?? JSON.stringify(object);
    this.#texts.set(object, text);
    return text;
  }

  /** Puts an object in the place of its predecessor, if there is one. */
  put(kind: string, key: string, object: Stored): Happening {
    const before = this.kind(kind).objects.get(key);
    const next = this.#stamped(object);
    this.kind(kind).objects.set(key, next);
    return this.#note(kind, before === undefined ? "ADDED" : "MODIFIED", next, before);
  }

  /** @returns undefined if there is no such object. */
  remove(kind: string, key: string): Happening | undefined {
    const before = this.kind(kind).objects.get(key);
    if (before === undefined) return undefined;
    this.kind(kind).objects.delete(key);
    // The last state with the revision of its end, as a watch shows it.
    return this.#note(kind, "DELETED", this.#stamped(before), before);
  }

  /** Forgets how everything came to be as it is: watches from before cannot go on. */
  compact(): void {
    for (const kind of this.#kinds.values()) {
      kind.compacted = this.#revision;
      kind.history = [];
    }
  }

  #stamped(object: Stored): Stored {
    this.#revision += 1;
    const resourceVersion = String(this.#revision);
    return { ...object, metadata: { ...object.metadata, resourceVersion } };
  }

  #note(kind: string, type: EventType, object: Stored, before: Stored | undefined): Happening {
    const line = `{"type":"${type}","object":${this.text(object)}}\n`;
    const { revision } = this;
    const happening = { type, revision, at: Date.now(), kind, object, before, line };
    this.kind(kind).history.push(happening);
    return happening;
  }
}
