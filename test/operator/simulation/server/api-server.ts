/** The API server's verbs, for those who are part of the cluster: no request of theirs fails. */
import {
  keyText,
  keyOf,
  type KubeObject,
  type ObjectKey,
} from "../../../../src/kube/resource-type.ts";
import type { ResourceType } from "../../../../src/kube/resource-type.ts";
import type { Random } from "../random.ts";
import { kindName } from "./kinds.ts";
import { created, isFree, leaving, updated } from "./rules.ts";
import { Store, type Happening, type Stored } from "./store.ts";

/** A refusal: what HTTP answers. */
export class Refusal extends Error {
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

export class ApiServer {
  readonly store = new Store();
  /** Says why an object may not be made, as a quota does. */
  admit: (object: Stored) => Refusal | undefined = () => undefined;
  readonly #random: Random;
  readonly #listeners = new Set<(happening: Happening) => void>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** Tells of every change, at once; ends with the call of what it returns. */
  listen(listener: (happening: Happening) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  get<T extends KubeObject>(type: ResourceType<T>, key: ObjectKey): T | undefined {
    return this.store.kind(kindName(type)).objects.get(keyText(key)) as T | undefined;
  }

  all<T extends KubeObject>(type: ResourceType<T>): T[] {
    return [...this.store.kind(kindName(type)).objects.values()] as T[];
  }

  /** @throws Refusal AlreadyExists, or what `admit` gives. */
  create<T extends KubeObject>(type: ResourceType<T>, object: T): T {
    const { apiVersion, kind } = type;
    const stored = created({ apiVersion, kind, ...object }, this.#uid());
    const key = keyText(keyOf(stored));
    const present = this.get(type, keyOf(stored));
    if (present !== undefined) {
      const going =
        present.metadata?.deletionTimestamp === undefined ? "" : "object is being deleted: ";
      const name = keyOf(stored).name;
      throw new Refusal(409, "AlreadyExists", `${going}${type.plural} "${name}" already exists`);
    }
    const refusal = this.admit(stored);
    if (refusal !== undefined) throw refusal;
    return this.#tell(this.store.put(kindName(type), key, stored)) as T;
  }

  /** Changes an object if it is there; one that is to go goes with its last finalizer. */
  update<T extends KubeObject>(
    type: ResourceType<T>,
    key: ObjectKey,
    change: (object: T) => T,
  ): T | undefined {
    const present = this.get(type, key);
    if (present === undefined) return undefined;
    const next = updated(present, change(present));
    if (isFree(next)) return this.#remove(type, key) as T;
    if (next === present) return present;
    return this.#tell(this.store.put(kindName(type), keyText(key), next)) as T;
  }

  /** @returns the object as it is then, or last was. */
  delete<T extends KubeObject>(
    type: ResourceType<T>,
    key: ObjectKey,
    propagation?: "Background" | "Foreground",
  ): T | undefined {
    const present = this.get(type, key);
    if (present === undefined) return undefined;
    const next = leaving(present, propagation);
    if (next === undefined) return this.#remove(type, key) as T;
    return this.update(type, key, () => next as T);
  }

  #remove(type: ResourceType<KubeObject>, key: ObjectKey): Stored {
    const happening = this.store.remove(kindName(type), keyText(key));
    if (happening === undefined) throw new Error(`there is no ${type.kind} ${keyText(key)}`);
    return this.#tell(happening);
  }

  #tell(happening: Happening): Stored {
    for (const listener of this.#listeners) listener(happening);
    return happening.object;
  }

  #uid(): string {
    const hex = () =>
      this.#random
        .int(0, 2 ** 32 - 1)
        .toString(16)
        .padStart(8, "0");
    return [hex(), hex().slice(4), hex().slice(4), hex().slice(4), hex() + hex().slice(4)].join(
      "-",
    );
  }
}
