/** Writes a status, and remembers what was written until the cache has it. */
import { isDeepStrictEqual } from "node:util";
import type { ImageDiffStatus } from "../../api/status.ts";
import { isNotFound } from "../../kube/api-error.ts";
import type { Client } from "../../kube/client.ts";
import { withoutManagedFields } from "../observe/slim.ts";
import { ImageDiffs, type StoredImageDiff } from "../resources.ts";

export class StatusWriter {
  readonly #client: Client;
  /** By uid: the versions that were replaced, and by what in the end. */
  readonly #written = new Map<string, { replaced: Set<string | undefined>; by: StoredImageDiff }>();

  constructor(client: Client) {
    this.#client = client;
  }

  /**
   * The resource as it was last written, where the cache still has a version before that: a
   * decision on an old one would undo the last.
   */
  latest(cached: StoredImageDiff): StoredImageDiff {
    const { uid = "", resourceVersion } = cached.metadata ?? {};
    const last = this.#written.get(uid);
    if (last === undefined) return cached;
    if (last.replaced.has(resourceVersion)) return last.by;
    this.#written.delete(uid);
    return cached;
  }

  /**
   * Replaces the status if it differs. The resource's version goes along, so that a decision on
   * an old one cannot overwrite a newer.
   * @returns whether there was anything to write.
   * @throws ApiError Conflict if the resource has changed meanwhile.
   */
  async write(resource: StoredImageDiff, status: ImageDiffStatus): Promise<boolean> {
    // As it would come back: fields that are undefined are not there.
    const wanted = JSON.parse(JSON.stringify(status)) as ImageDiffStatus;
    if (isDeepStrictEqual(wanted, resource.status ?? {})) return false;
    const { uid = "", resourceVersion } = resource.metadata ?? {};
    const by = await this.#replace({ ...resource, status: wanted });
    if (by === undefined) return false;
    const replaced = this.#written.get(uid)?.replaced ?? new Set();
    replaced.add(resourceVersion);
    this.#written.set(uid, { replaced, by: withoutManagedFields(by) });
    return true;
  }

  /** Undefined if the resource is gone: then nobody waits for its status. */
  async #replace(resource: StoredImageDiff): Promise<StoredImageDiff | undefined> {
    try {
      return await this.#client.replace(ImageDiffs, resource, "status");
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  forget(uid: string): void {
    this.#written.delete(uid);
  }
}
