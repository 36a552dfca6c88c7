/**
 * A zod schema as a structural schema: the part of OpenAPI 3.0 that a CustomResourceDefinition may
 * use, https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
 */
import { z } from "zod";

/** A structural schema, as far as this project's resources need it. Its keys are in this order. */
export interface StructuralSchema {
  description?: string;
  /** Absent only where `x-kubernetes-int-or-string` is set. */
  type?: "object" | "array" | "string" | "integer" | "boolean";
  format?: "int32" | "int64" | "date-time";
  default?: unknown;
  enum?: string[];
  pattern?: string;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  maxItems?: number;
  maxProperties?: number;
  items?: StructuralSchema;
  additionalProperties?: StructuralSchema;
  properties?: Record<string, StructuralSchema>;
  required?: string[];
  "x-kubernetes-int-or-string"?: true;
  "x-kubernetes-list-map-keys"?: string[];
  "x-kubernetes-list-type"?: "map";
  "x-kubernetes-preserve-unknown-fields"?: true;
  "x-kubernetes-validations"?: KubernetesRule[];
}

export interface KubernetesRule {
  rule: string;
  message: string;
  fieldPath?: string;
}

/** What a schema may have besides its children; all else is a mistake of ours. */
const KEPT = [
  "description",
  "type",
  "format",
  "default",
  "enum",
  "pattern",
  "maxLength",
  "minimum",
  "maximum",
  "maxItems",
  "maxProperties",
  "items",
  "additionalProperties",
  "properties",
  "required",
  "x-kubernetes-int-or-string",
  "x-kubernetes-list-map-keys",
  "x-kubernetes-list-type",
  "x-kubernetes-preserve-unknown-fields",
  "x-kubernetes-validations",
] as const satisfies (keyof StructuralSchema)[];

const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;

type JsonSchema = Record<string, unknown>;

/**
 * The structural schema of what `schema` takes as input.
 * @throws Error if it has something that no structural schema can say, with the field's path.
 */
export function structuralSchema(schema: z.ZodType): StructuralSchema {
  const json = z.toJSONSchema(schema, {
    target: "openapi-3.0",
    io: "input",
    reused: "inline",
    cycles: "throw",
    unrepresentable: "throw",
  });
  return structural(json, "");
}

function structural(json: JsonSchema, path: string): StructuralSchema {
  const strange = Object.keys(json).filter((key) => !(KEPT as readonly string[]).includes(key));
  if (strange.length > 0) throw new Error(`${path || "."}: not structural: ${strange.join(", ")}`);
  const node: JsonSchema = { ...json, ...integerBounds(json), ...children(json, path) };
  const set = KEPT.filter((key) => node[key] !== undefined);
  return Object.fromEntries(set.map((key) => [key, node[key]]));
}

function children(json: JsonSchema, path: string): JsonSchema {
  const { items, properties = {} } = json as {
    items?: JsonSchema;
    properties?: Record<string, JsonSchema>;
  };
  const fields = Object.entries(properties).map(([name, field]) => [
    name,
    structural(field, `${path}.${name}`),
  ]);
  return {
    items: items && structural(items, `${path}[]`),
    additionalProperties: mapValues(json, path),
    properties: fields.length === 0 ? undefined : Object.fromEntries(fields),
  };
}

/**
 * The schema of a map's values. zod closes an object by `false`, which the API server does by
 * itself (it prunes), and opens one by `{}`, for which Kubernetes has preserve-unknown-fields.
 */
function mapValues(json: JsonSchema, path: string): StructuralSchema | undefined {
  const { additionalProperties: values } = json;
  if (values === undefined || values === false) return undefined;
  if (json["x-kubernetes-preserve-unknown-fields"] === true) return undefined;
  return structural(values as JsonSchema, `${path}{}`);
}

/**
 * Bounds of an integer and its format. What zod adds of its own, the integers that JavaScript
 * holds without loss, is no bound of the field.
 */
function integerBounds({ type, minimum, maximum }: JsonSchema): JsonSchema {
  if (type !== "integer") return {};
  const least = minimum === Number.MIN_SAFE_INTEGER ? undefined : (minimum as number | undefined);
  const most = maximum === Number.MAX_SAFE_INTEGER ? undefined : (maximum as number | undefined);
  const small = (least ?? -Infinity) >= INT32_MIN && (most ?? Infinity) <= INT32_MAX;
  return { format: small ? "int32" : "int64", minimum: least, maximum: most };
}
