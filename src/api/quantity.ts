/** A Kubernetes resource quantity, such as 500m or 2Gi. */
import { z } from "zod";
import { withRules } from "./rules.ts";

/** A quantity as a string; none is less than zero. */
const QUANTITY =
  "^[+]?([0-9]+([.][0-9]*)?|[.][0-9]+)(n|u|m|k|Ki|Mi|Gi|Ti|Pi|Ei|M|G|T|P|E|[eE][-+]?[0-9]+)?$";

/** Longest quantity, in characters. */
const QUANTITY_MAX_LENGTH = 64;

/**
 * Kubernetes' int-or-string has no type of its own in a structural schema, hence `unknown` here and
 * a rule.
 */
export const Quantity = withRules(z.unknown(), [
  {
    cel: `type(self) == int ? self >= 0 && self <= ${Number.MAX_SAFE_INTEGER} : self.matches('${QUANTITY}')`,
    message: "must be a quantity: a whole number such as 2, or a string such as 500m or 2Gi",
    holds: (value) =>
      typeof value === "string"
        ? new RegExp(QUANTITY).test(value) && value.length <= QUANTITY_MAX_LENGTH
        : Number.isSafeInteger(value) && (value as number) >= 0,
  },
]).meta({
  "x-kubernetes-int-or-string": true,
  maxLength: QUANTITY_MAX_LENGTH,
}) as unknown as z.ZodType<string | number>;
