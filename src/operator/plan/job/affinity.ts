/** Binding a pod to a node by node affinity. The scheduler still decides: taints, room, volumes. */
import type { Affinity, NodeSelectorTerm } from "kubernetes-types/core/v1.d.ts";
import type { JobSettings } from "../../../api/job.ts";

/** The user's affinity, with this node added to all that it demands of a node. */
export function pinnedAffinity(
  wanted: JobSettings["affinity"],
  node: string | undefined,
): Affinity | undefined {
  const affinity = wanted as Affinity | undefined;
  if (node === undefined) return affinity;
  const { requiredDuringSchedulingIgnoredDuringExecution: required, ...preferred } =
    affinity?.nodeAffinity ?? {};
  const terms = list<NodeSelectorTerm>(required?.nodeSelectorTerms);
  const field = { key: "metadata.name", operator: "In", values: [node] };
  // Terms are alternatives: the node goes into each.
  const nodeSelectorTerms = (terms.length === 0 ? [{}] : terms).map((term) => ({
    ...term,
    matchFields: [...list(term?.matchFields), field],
  }));
  return {
    ...affinity,
    nodeAffinity: {
      ...preferred,
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms },
    },
  };
}

/** The node that a pod was bound to, by `pinnedAffinity` or by the user; undefined if to none. */
export function pinnedNode(affinity: Affinity | undefined): string | undefined {
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const [term] = list<NodeSelectorTerm>(required?.nodeSelectorTerms);
  return list(term?.matchFields).findLast((field) => field?.key === "metadata.name")?.values?.[0];
}

/** What the user wrote here has not been looked into by any schema. */
function list<T>(value: readonly T[] | undefined): readonly T[] {
  return Array.isArray(value) ? value : [];
}
