/** Maps of strings, as the settings of a Job have them. */
import { z } from "zod";
import { characters } from "./fields.ts";
import { withRules, type Rule } from "./rules.ts";

/**
 * The key of a label or of an annotation: a name, and before it a DNS name and a slash if wanted.
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
 */
const KEY =
  "^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";

/** Longest DNS name before the slash of a key, in characters. */
const PREFIX_MAX_LENGTH = 253;

const LABEL_VALUE = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";

const keys: Rule<Record<string, unknown>> = {
  cel: `self.all(key, key.matches('${KEY}') && key.indexOf('/') <= ${PREFIX_MAX_LENGTH})`,
  message:
    "must have keys such as tier or example.com/tier: after the slash at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends",
  holds: (map) =>
    Object.keys(map).every(
      (key) => new RegExp(KEY).test(key) && key.indexOf("/") <= PREFIX_MAX_LENGTH,
    ),
};

const labelValues: Rule<Record<string, string>> = {
  cel: `self.all(key, self[key].matches('${LABEL_VALUE}'))`,
  message:
    "must have values of letters, digits, '-', '_' and '.' only, with a letter or digit at both ends, or empty ones",
  holds: (map) => Object.values(map).every((value) => new RegExp(LABEL_VALUE).test(value)),
};

/** Labels, at most so many. */
export function labels(most: number) {
  return withRules(mapOf(characters(63), most), [keys, labelValues]);
}

/**
 * Annotations, at most so many, each of at most 4096 characters: together less than the 256 KiB
 * that Kubernetes takes on one object.
 */
export function annotations(most: number) {
  return withRules(mapOf(characters(4096), most), [keys]);
}

/** A map of strings with at most so many entries. */
export function mapOf<V extends z.ZodType>(value: V, maxEntries: number) {
  return z
    .record(z.string(), value)
    .refine((map) => Object.keys(map).length <= maxEntries, {
      error: `must have at most ${maxEntries} entries`,
    })
    .meta({ maxProperties: maxEntries });
}
