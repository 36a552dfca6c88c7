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

/**
 * A string of at most so many characters. Kubernetes counts Unicode's code points, which zod's own
 * `max` does not: it counts one beyond U+FFFF twice.
 */
export function characters(most: number) {
  return z
    .string()
    .refine((value) => value.length <= most || Array.from(value).length <= most, {
      error: `must have at most ${most} characters`,
    })
    .meta({ maxLength: most });
}

const printable = {
  cel: `self.matches(r'${PRINTABLE}')`,
  message: "must have at least one character and no control characters",
  holds: (value: string) => new RegExp(PRINTABLE, "u").test(value),
};

/** The name of a PersistentVolumeClaim or of a resource, at most 253 characters. */
export const ResourceName = withRules(characters(253), [
  {
    cel: `self.matches('${SUBDOMAIN}')`,
    message:
      "must be a name as Kubernetes has them (RFC 1123): lower-case letters, digits, '-' and '.', with a letter or digit at both ends",
    holds: (name) => new RegExp(SUBDOMAIN).test(name),
  },
]);

/** The path of an image inside of its claim, at most 255 characters. */
export const PathInClaim = withRules(characters(PATH_MAX_LENGTH), [
  {
    cel: `!self.matches('${UNCLEAN_PATH}')`,
    message:
      "must be a path inside of the claim, such as images/disk.img: no slash at either end, no empty part, no '.' and no '..'",
    holds: (path) => !new RegExp(UNCLEAN_PATH).test(path),
  },
  printable,
]);

/** The name of a backing file, to be recorded in an overlay. */
export const BackingFileName = withRules(characters(BACKING_FILE_MAX_BYTES), [
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
export const Timestamp = characters(64).meta({ format: "date-time" });
