/** The garbage collector: what has no owner any more goes, and who waits for its own goes then. */
import { keyOf, type KubeObject, type ResourceType } from "../../../../src/kube/resource-type.ts";
import { ImageDiffs, Jobs, Pods } from "../../../../src/operator/resources.ts";
import type { ApiServer } from "../server/api-server.ts";
import { FOREGROUND } from "../server/rules.ts";
import { Agenda, type Pace } from "./agenda.ts";
import { isLeaving, uidOf } from "./pods.ts";

/** Those that have owners, and those that are owners. */
const kinds: readonly ResourceType<KubeObject>[] = [ImageDiffs, Jobs, Pods];

export class GarbageCollector {
  readonly #server: ApiServer;
  readonly #agenda: Agenda;

  constructor(server: ApiServer, pace: Pace) {
    this.#server = server;
    this.#agenda = new Agenda(() => this.#sweep(), pace);
  }

  begin(): void {
    this.#server.listen(({ type, object }) => {
      if (type === "DELETED" || isLeaving(object)) this.#agenda.soon("all");
      // Its owner may be gone by the time that it is made.
      if (type === "ADDED" && object.kind === "Job") this.#agenda.soon("all");
    });
  }

  #sweep(): void {
    const all = kinds.flatMap((type) =>
      this.#server.all(type).map((object: KubeObject) => ({ type, object })),
    );
    const present = new Set(all.map(({ object }) => uidOf(object)));
    for (const { type, object } of all) {
      const owners = object.metadata?.ownerReferences ?? [];
      const isOrphan = owners.length > 0 && !owners.some(({ uid }) => present.has(uid));
      if (isOrphan && !isLeaving(object)) this.#server.delete(type, keyOf(object), "Background");
      if (object.metadata?.finalizers?.includes(FOREGROUND) === true) this.#follow(type, object);
    }
  }

  /** Deletes what an object owns, and lets it go once there is nothing left of that. */
  #follow(type: ResourceType<KubeObject>, owner: KubeObject): void {
    const owned = this.#server
      .all(Pods)
      .filter(({ metadata }) => metadata?.ownerReferences?.some(({ uid }) => uid === uidOf(owner)));
    for (const pod of owned) if (!isLeaving(pod)) this.#server.delete(Pods, keyOf(pod));
    if (owned.length > 0) return;
    this.#server.update(type, keyOf(owner), (object) => {
      const { finalizers = [], ...metadata } = object.metadata ?? {};
      const left = finalizers.filter((each) => each !== FOREGROUND);
      return { ...object, metadata: { ...metadata, ...(left.length > 0 && { finalizers: left }) } };
    });
  }
}
