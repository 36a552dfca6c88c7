/** Kubernetes conditions as pure functions: a list of them in, the next list out. */
import type { Condition } from "../../api/status.ts";

/** `Date` as metav1.Time writes it: RFC 3339 in UTC with whole seconds. */
export function timestamp(moment: Date): string {
  return moment.toISOString().replace(/[.]\d+Z$/, "Z");
}

/**
 * The list with one condition set in its place; its transition time changes only with its
 * status.
 */
export function withCondition(
  conditions: readonly Condition[],
  condition: Omit<Condition, "lastTransitionTime">,
  now: Date,
): Condition[] {
  const previous = conditions.find(({ type }) => type === condition.type);
  const unchanged = previous !== undefined && previous.status === condition.status;
  const next = {
    ...condition,
    lastTransitionTime: unchanged ? previous.lastTransitionTime : timestamp(now),
  };
  if (previous === undefined) return [...conditions, next];
  return conditions.map((each) => (each === previous ? next : each));
}

/** The list without the conditions of these types. */
export function withoutConditions(
  conditions: readonly Condition[],
  ...types: string[]
): Condition[] {
  return conditions.filter(({ type }) => !types.includes(type));
}
