/** The kinds of value that the resource's fields have, each one bounded. */
import { z } from "zod";
import { withRules } from "./rules.ts";

/** An RFC 1123 subdomain: what Kubernetes takes as the name of a claim or of a resource. */
const SUBDOMAIN = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/** A string that has an empty part, `.` or `..` between its slashes. */
const UNCLEAN_PATH = "(^|/)[.]{0,2}(/|$)";

/** No control character anywhere, and not empty. */
const PRINTABLE = String.raw`^\P{Cc}+$`;

/** A name that starts with a protocol, as QEMU reads it: `nbd:`, `json:`. */
const PROTOCOL = "^[^/]*:";

/** Longest path inside of a claim, in characters: one file name of Linux (NAME_MAX). */
const PATH_MAX_LENGTH = 255;

/** Longest backing file name that the header of a qcow2 file holds, in bytes. */
export const BACKING_FILE_MAX_BYTES = 1023;

const printable = {
  cel: `self.matches(r'${PRINTABLE}')`,
  message: "must have at least one character and no control characters",
  holds: (value: string) => new RegExp(PRINTABLE, "u").test(value),
};

/** The name of a PersistentVolumeClaim or of a resource, at most 253 characters. */
export const ResourceName = withRules(z.string().max(253), [
  {
    cel: `self.matches('${SUBDOMAIN}')`,
    message:
      "must be a name as Kubernetes has them (RFC 1123): lower-case letters, digits, '-' and '.', with a letter or digit at both ends",
    holds: (name) => new RegExp(SUBDOMAIN).test(name),
  },
]);

/** The path of an image inside of its claim, at most 255 characters. */
export const PathInClaim = withRules(z.string().max(PATH_MAX_LENGTH), [
  {
    cel: `!self.matches('${UNCLEAN_PATH}')`,
    message:
      "must be a path inside of the claim, such as images/disk.img: no slash at either end, no empty part, no '.' and no '..'",
    holds: (path) => !new RegExp(UNCLEAN_PATH).test(path),
  },
  printable,
]);

/** The name of a backing file, to be recorded in an overlay. */
export const BackingFileName = withRules(z.string().max(BACKING_FILE_MAX_BYTES), [
  {
    cel: `!self.matches('${PROTOCOL}')`,
    message:
      "must be the name of a file, not of a protocol such as nbd: or json:; put ./ before a name that has a colon",
    holds: (name) => !new RegExp(PROTOCOL).test(name),
  },
  {
    cel: `bytes(self).size() <= ${BACKING_FILE_MAX_BYTES}`,
    message: `must have at most ${BACKING_FILE_MAX_BYTES} bytes, which is all that an overlay can record`,
    holds: (name) => Buffer.byteLength(name) <= BACKING_FILE_MAX_BYTES,
  },
  printable,
]);

/** A number of bytes. */
export const Bytes = z.int().nonnegative();

/** A moment, RFC 3339 in UTC with seconds. */
export const Timestamp = z.string().max(64).meta({ format: "date-time" });

/** A Kubernetes resource quantity: a number such as 2, or a string such as 500m or 2Gi. */
const QUANTITY =
  "^[+]?([0-9]+([.][0-9]*)?|[.][0-9]+)(n|u|m|k|Ki|Mi|Gi|Ti|Pi|Ei|M|G|T|P|E|[eE][-+]?[0-9]+)?$";

/**
 * Kubernetes' int-or-string has no type of its own in a structural schema, hence `unknown`
 * here and a check.
 */
export const Quantity = z
  .unknown()
  .refine(
    (value) =>
      typeof value === "string" ? new RegExp(QUANTITY).test(value) : Number.isSafeInteger(value),
    { error: "must be a quantity: a whole number such as 2, or a string such as 500m or 2Gi" },
  )
  .meta({
    "x-kubernetes-int-or-string": true,
    pattern: QUANTITY,
    maxLength: 64,
  }) as unknown as z.ZodType<string | number>;

/** A map of strings with at most so many entries. */
export function mapOf<V extends z.ZodType>(value: V, maxEntries: number) {
  return z
    .record(z.string(), value)
    .refine((map) => Object.keys(map).length <= maxEntries, {
      error: `must have at most ${maxEntries} entries`,
    })
    .meta({ maxProperties: maxEntries });
}
