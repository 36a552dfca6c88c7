/** Whether demands on a node can be met by one node, as far as that can be told without nodes. */
import type {
  NodeSelectorRequirement,
  NodeSelectorTerm,
  VolumeNodeAffinity,
} from "kubernetes-types/core/v1.d.ts";

/** What a node must have, as alternatives: it meets all requirements of one of them. */
export type Demand = readonly (readonly NodeSelectorRequirement[])[];

/** Combinations of alternatives that are looked at. With more nothing is claimed. */
const MOST_COMBINATIONS = 1000;

/** Before the key of a field, to tell it from a label's. */
const FIELD = "field:";

/** What a volume demands; undefined if any node will do. */
export function volumeDemand(affinity: VolumeNodeAffinity | undefined): Demand | undefined {
  const terms = affinity?.required?.nodeSelectorTerms ?? [];
  return terms.length === 0 ? undefined : terms.map(requirements);
}

/** The demand for the node of that name. */
export function nodeDemand(name: string): Demand {
  return [[{ key: `${FIELD}metadata.name`, operator: "In", values: [name] }]];
}

function requirements({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm) {
  const fields = matchFields.map((field) => ({ ...field, key: FIELD + field.key }));
  return [...matchExpressions, ...fields];
}

/** True only if it is certain that no node can meet all demands. */
export function areApart(demands: readonly Demand[]): boolean {
  let combinations: NodeSelectorRequirement[][] = [[]];
  for (const alternatives of demands) {
    combinations = combinations
      .flatMap((chosen) => alternatives.map((each) => [...chosen, ...each]))
      .filter((each) => !isContradictory(each));
    if (combinations.length > MOST_COMBINATIONS) return false;
  }
  return combinations.length === 0;
}

function isContradictory(all: readonly NodeSelectorRequirement[]): boolean {
  return [...Map.groupBy(all, ({ key }) => key).values()].some(excludesAll);
}

/** Whether no value of one label, nor its absence, meets all of these. */
function excludesAll(all: readonly NodeSelectorRequirement[]): boolean {
  const of = (operator: string) => all.filter((each) => each.operator === operator);
  const mustExist = ["In", "Exists", "Gt", "Lt"].some((operator) => of(operator).length > 0);
  if (mustExist && of("DoesNotExist").length > 0) return true;
  const above = Math.max(-Infinity, ...of("Gt").map(bound));
  const below = Math.min(Infinity, ...of("Lt").map(bound));
  const [first, ...others] = of("In").map(({ values = [] }) => values);
  // Bounds are compared as integers: there is none between one and the next.
  if (first === undefined) return below - above <= 1;
  const excluded = new Set(of("NotIn").flatMap(({ values = [] }) => values));
  const bounded = above !== -Infinity || below !== Infinity;
  return !first.some(
    (value) =>
      others.every((values) => values.includes(value)) &&
      !excluded.has(value) &&
      (!bounded || (Number(value) > above && Number(value) < below)),
  );
}

/** The bound of Gt or Lt; NaN, which decides nothing, if it is none. */
function bound({ values = [] }: NodeSelectorRequirement): number {
  return Number(values[0]);
}

/** A demand in words. */
export function demandWords(demand: Demand): string {
  const alternatives = demand.map((each) => each.map(requirementWords).join(" and "));
  return alternatives.join(", or ");
}

function requirementWords({ key, operator, values }: NodeSelectorRequirement): string {
  return `${key.replace(FIELD, "")} ${operator}${values === undefined ? "" : ` (${values.join(", ")})`}`;
}
