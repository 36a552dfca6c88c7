/** The kinds of object that the API server of the simulation has. */
import type { KubeObject, ResourceType } from "../../../../src/kube/resource-type.ts";
import * as resources from "../../../../src/operator/resources.ts";

/** What the controller tells. */
export const ToldEvents: ResourceType<KubeObject> = {
  apiVersion: "events.k8s.io/v1",
  kind: "Event",
  plural: "events",
  namespaced: true,
};

const kinds: readonly ResourceType<KubeObject>[] = [
  resources.ImageDiffs,
  resources.Jobs,
  resources.Pods,
  resources.Claims,
  resources.PersistentVolumes,
  resources.StorageClasses,
  resources.Events,
  ToldEvents,
];

export interface Place {
  type: ResourceType<KubeObject>;
  namespace: string | undefined;
  name: string | undefined;
  subresource: string | undefined;
}

/** What a path names; undefined if there is no such kind. */
export function placeOf(path: string): Place | undefined {
  const parts = path.slice(1).split("/").map(decodeURIComponent);
  const group = parts[0] === "api" ? parts.slice(1, 2) : parts.slice(1, 3);
  const rest = parts.slice(group.length + 1);
  const namespace = rest[0] === "namespaces" && rest.length > 2 ? rest[1] : undefined;
  const [plural, name, subresource] = namespace === undefined ? rest : rest.slice(2);
  const type = kinds.find((each) => each.apiVersion === group.join("/") && each.plural === plural);
  return type && { type, namespace, name, subresource };
}

/** By this the store knows a kind. */
export function kindName({ apiVersion, plural }: ResourceType<KubeObject>): string {
  return `${apiVersion}/${plural}`;
}
