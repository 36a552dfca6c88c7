/** A kind of object for tests. */
import type { KubeObject, ResourceType } from "../../src/kube/resource-type.ts";

export interface Thing extends KubeObject {
  value?: number;
  status?: object;
}

export const Things: ResourceType<Thing> = {
  apiVersion: "example.org/v1",
  kind: "Thing",
  plural: "things",
  namespaced: true,
};

/** One that has never been with a server. */
export function thing(name: string, value = 0, namespace = "default"): Thing {
  return { apiVersion: "example.org/v1", kind: "Thing", metadata: { namespace, name }, value };
}

/** One as a server would give it. */
export function stored(name: string, uid: string, resourceVersion: string, value = 0): Thing {
  return { ...thing(name, value), metadata: { namespace: "default", name, uid, resourceVersion } };
}
