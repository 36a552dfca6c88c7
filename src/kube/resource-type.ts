/** What a kind of object is called, and where the API server keeps it. */
import type { ObjectMeta } from "kubernetes-types/meta/v1.d.ts";

/** What every object of the API server has. Moments are strings (RFC 3339), as on the wire. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
}

/** One kind of object; `T` is its type in TypeScript. */
export interface ResourceType<T extends KubeObject> {
  /** Such as `v1` or `batch/v1`. */
  apiVersion: string;
  kind: string;
  /** The name in paths, such as `pods`. */
  plural: string;
  namespaced: boolean;
  /** Only carries the type along; never set. */
  readonly object?: T;
}

/** Which object: `namespace` is absent for a kind that has none. */
export interface ObjectKey {
  namespace?: string | undefined;
  name: string;
}

/** `namespace/name`, or `name` alone. */
export function keyText({ namespace, name }: ObjectKey): string {
  return namespace === undefined || namespace === "" ? name : `${namespace}/${name}`;
}

/** The key of an object that the API server gave. */
export function keyOf({ metadata }: KubeObject): ObjectKey {
  return { namespace: metadata?.namespace, name: metadata?.name ?? "" };
}

/** The path of a kind of object, of one object, or of one of its subresources. */
export function pathOf(
  { apiVersion, plural, namespaced }: ResourceType<KubeObject>,
  { namespace, name, subresource }: Partial<ObjectKey> & { subresource?: string },
): string {
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const scope = namespaced && namespace !== undefined ? ["namespaces", namespace] : [];
  const parts = [...scope, plural, ...(name === undefined ? [] : [name])];
  const all = subresource === undefined ? parts : [...parts, subresource];
  return `${root}/${all.map(encodeURIComponent).join("/")}`;
}
