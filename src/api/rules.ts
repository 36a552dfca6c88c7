/**
 * Rules that a type alone cannot say. Each is written twice, side by side: as CEL for the API
 * server (x-kubernetes-validations of the CRD) and as a predicate for a run without a cluster,
 * with one message for both.
 */
import { z } from "zod";

export interface Rule<T> {
  /** The CEL expression; `self` is the value. */
  cel: string;
  /** What must be so, and how to get there; it follows the field's name. */
  message: string;
  /** The field inside of `self` that is to blame, such as `.output.path`; `self` if not given. */
  fieldPath?: `.${string}`;
  /** The same decision as `cel`; absent for rules on updates, which no manifest alone can break. */
  holds?: (value: T) => boolean;
}

/** The schema with its rules: enforced when parsing, and carried along into the CRD. */
export function withRules<S extends z.ZodType>(schema: S, rules: Rule<z.output<S>>[]): S {
  return schema
    .superRefine((value, context) => {
      for (const { holds, message, fieldPath } of rules) {
        if (holds === undefined || holds(value)) continue;
        const path = fieldPath?.slice(1).split(".") ?? [];
        context.addIssue({ code: "custom", message, path, input: value });
      }
    })
    .meta({ "x-kubernetes-validations": rules.map(kubernetesRule) });
}

function kubernetesRule({ cel, message, fieldPath }: Rule<never>): Record<string, string> {
  return { rule: cel, message, ...(fieldPath === undefined ? {} : { fieldPath }) };
}

/** A rule on updates: the value stays what it was when the resource was made. */
export const immutable: Rule<unknown> = {
  cel: "self == oldSelf",
  message: "cannot change once set: make another ImageDiff instead",
};
