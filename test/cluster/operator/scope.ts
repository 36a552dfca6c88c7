/** Rights as RBAC's rules say them and as the audit log shows them used. */
import type { AuditRecord } from "../audit.ts";
import type { KubeObject } from "../client.ts";
import { readManifests } from "../manifests.ts";

export interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
}

export interface Role extends KubeObject {
  rules: Rule[];
}

/** The roles of the controller, as shipped. */
export function shippedRoles(): { cluster: Role; own: Role } {
  const roles = readManifests("deploy/base") as Role[];
  const named = (kind: string): Role => {
    const role = roles.find((each) => each.kind === kind);
    if (role === undefined) throw new Error(`deploy/base has no ${kind}`);
    return role;
  };
  return { cluster: named("ClusterRole"), own: named("Role") };
}

/** Each right of some rules once, such as `get pods/log` or `create events.events.k8s.io`. */
export function rightsOf(rules: readonly Rule[]): string[] {
  const rights = rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => right(verb, resource, group))),
    ),
  );
  return [...new Set(rights)].toSorted();
}

/** The same of requests that were granted. */
export function usedRights(records: readonly AuditRecord[]): string[] {
  const rights = records
    .filter(({ responseStatus }) => (responseStatus?.code ?? 0) !== 403)
    .map(({ verb, objectRef }) => {
      const { apiGroup = "", resource = "", subresource } = objectRef ?? {};
      const what = subresource === undefined ? resource : `${resource}/${subresource}`;
      return right(verb, what, apiGroup);
    });
  return [...new Set(rights)].toSorted();
}

/** Requests that the account had no right to. */
export function forbidden(records: readonly AuditRecord[]): string[] {
  return records
    .filter(({ responseStatus }) => responseStatus?.code === 403)
    .map(({ verb, requestURI }) => `${verb} ${requestURI}`);
}

/** Rules without one verb of one resource. */
export function without(rules: readonly Rule[], verb: string, resource: string): Rule[] {
  return rules.flatMap(({ apiGroups, resources, verbs }) => {
    if (!resources.includes(resource) || !verbs.includes(verb))
      return [{ apiGroups, resources, verbs }];
    const others = resources.filter((each) => each !== resource);
    const lesser = verbs.filter((each) => each !== verb);
    return [
      ...(others.length > 0 ? [{ apiGroups, resources: others, verbs }] : []),
      ...(lesser.length > 0 ? [{ apiGroups, resources: [resource], verbs: lesser }] : []),
    ];
  });
}

/** Written as kubectl writes a resource of a group. */
function right(verb: string, resource: string, group: string): string {
  return `${verb} ${resource}${group === "" ? "" : `.${group}`}`;
}
