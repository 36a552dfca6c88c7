/**
 * Why a manifest is refused, in the words of a run without a cluster and in those of the API
 * server. A rule of ours has one message in both places; for what a type alone refuses, the API
 * server has words of its own.
 */

/** A manifest that is refused in both places. */
export interface BadManifest {
  /** What is wrong, in a few words. */
  name: string;
  /** What to change in the smallest manifest, by path; `undefined` takes a field away. */
  changes: Record<string, unknown>;
  /** What the message of a run without a cluster contains. */
  local: string[];
  /** What the message of the API server contains. */
  server: string[];
}

type Changes = Record<string, unknown>;

/** A field that has to be there is not. */
export function missing(name: string, field: string, changes?: Changes): BadManifest {
  return {
    name,
    changes: changes ?? { [field]: undefined },
    local: [`${field}: is required: give `],
    server: [`${field}: Required value`],
  };
}

const nouns = {
  string: "a string",
  boolean: "true or false",
  integer: "a whole number",
  int32: "a whole number",
  object: "a map of",
  array: "a list",
};

/** A value is not of the field's type; `cure` is what else our message says. */
export function mistyped(
  name: string,
  [field, value]: [string, unknown],
  type: keyof typeof nouns,
  ...cure: string[]
): BadManifest {
  return {
    name,
    changes: { [field]: value },
    local: [`${field}: must be ${nouns[type]}`, ...cure],
    server: [`${field}: Invalid value: `, `${field} in body must be of type ${type}: `],
  };
}

/** A value is not one of those that the field may have. */
export function notOneOf(
  name: string,
  [field, value]: [string, unknown],
  ...values: string[]
): BadManifest {
  const found = JSON.stringify(value);
  const quoted = values.map((each) => `"${each}"`).join(", ");
  return {
    name,
    changes: { [field]: value },
    local: [`${field}: must be one of ${values.join(", ")}, not ${found}`],
    server: [`${field}: Unsupported value: ${found}: supported values: ${quoted}`],
  };
}

/** A string has too many characters. The API server says bytes and counts characters. */
export function tooLong(name: string, field: string, value: string, most: number): BadManifest {
  return {
    name,
    changes: { [field]: value },
    local: [`${field}: must have at most ${most} characters`],
    server: [`${field}: Too long: may not be more than ${most} bytes`],
  };
}

/** A list or a map has too many entries. */
export function tooMany(
  name: string,
  [field, value]: [string, unknown],
  most: number,
): BadManifest {
  const unit = Array.isArray(value) ? "items" : "entries";
  return {
    name,
    changes: { [field]: value },
    local: [`${field}: must have at most ${most} ${unit}`],
    server: [`${field}: Too many: ${most + 1}: must have at most ${most} items`],
  };
}

/** A number is less than it may be. */
export function tooSmall(name: string, field: string, value: number, least: number): BadManifest {
  return {
    name,
    changes: { [field]: value },
    local: [`${field}: must be at least ${least}`],
    server: [`${field} in body should be greater than or equal to ${least}`],
  };
}

/** A number is more than it may be. */
export function tooLarge(name: string, field: string, value: number, most: number): BadManifest {
  return {
    name,
    changes: { [field]: value },
    local: [`${field}: must be at most ${most}`],
    server: [`${field} in body should be less than or equal to ${most}`],
  };
}

/** There is no such field; `known` are some that there are. The API server has to be strict. */
export function unknown(name: string, field: string, ...known: string[]): BadManifest {
  return {
    name,
    changes: { [field]: "x" },
    local: [`${field}: is not a field here; the fields are `, ...known],
    server: [`unknown field "${field}"`],
  };
}

/**
 * A rule of ours is broken, and `field` is to blame: both say the same about it. The API server
 * writes the keys of a map in brackets.
 */
export function against(
  name: string,
  changes: Changes,
  field: string,
  message: string,
  fieldOfServer: string = field,
): BadManifest {
  return {
    name,
    changes,
    local: [`${field}: ${message}`],
    server: [`${fieldOfServer}: Invalid value: `, message],
  };
}
