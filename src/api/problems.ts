/** What is wrong with a resource, as one sentence for each bad field. */
import { z } from "zod";

/** The error map: what zod found, in words that say what to write instead. */
export function describeIssue(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      if (issue.input === undefined) return `is required: give ${nounOf(issue.expected)}`;
      return `must be ${nounOf(issue.expected)}, not ${describeValue(issue.input)}${cureOf(issue)}`;
    case "invalid_value":
      if (issue.input === undefined) return `is required: give ${listOf(issue.values)}`;
      return `must be ${listOf(issue.values)}, not ${describeValue(issue.input)}`;
    case "too_big":
      return `must ${boundOf(issue.origin, "at most", Number(issue.maximum))}`;
    case "too_small":
      return `must ${boundOf(issue.origin, "at least", Number(issue.minimum))}`;
    case "unrecognized_keys":
      return `is not a field here; the fields are ${fieldsOf(issue.inst)}`;
    default:
      return undefined;
  }
}

/** One sentence for each bad field, each with the field's path before it. */
export function problems(error: z.ZodError): string[] {
  return error.issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => `${fieldPath([...issue.path, key])}: ${issue.message}`)
      : [`${fieldPath(issue.path)}: ${issue.message}`],
  );
}

/** A path as Kubernetes writes it: `spec.job.tolerations[0].key`. */
function fieldPath(path: readonly PropertyKey[]): string {
  const text = path
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`))
    .join("");
  return text.replace(/^\./, "") || "the manifest";
}

const nouns: Record<string, string> = {
  string: "a string",
  boolean: "true or false",
  number: "a whole number",
  int: "a whole number",
  object: "a map of fields",
  record: "a map of strings",
  array: "a list",
};

function nounOf(expected: string): string {
  return nouns[expected] ?? expected;
}

function cureOf(issue: { expected: string; input?: unknown }): string {
  const quotable = typeof issue.input === "number" || typeof issue.input === "boolean";
  if (issue.expected === "string" && quotable) return "; put it in quotes";
  const unquotable = issue.expected !== "string" && typeof issue.input === "string";
  return unquotable && /^(true|false|\d+)$/.test(String(issue.input))
    ? "; leave out the quotes"
    : "";
}

function describeValue(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a map of fields";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function listOf(values: readonly unknown[]): string {
  return values.length === 1 ? String(values[0]) : `one of ${values.join(", ")}`;
}

function boundOf(origin: string, side: string, bound: number): string {
  if (origin === "string") return `have ${side} ${bound} characters`;
  if (origin === "array") return `have ${side} ${bound} items`;
  return `be ${side} ${bound}`;
}

function fieldsOf(schema: unknown): string {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape).join(", ") : "others";
}
