/** Statuses at the bounds of their fields and beyond them, made from the schema. */
import { resourceSchema } from "../../src/api/crd.ts";
import type { StructuralSchema } from "../../src/api/structural.ts";
import type { Fields } from "./manifests.ts";

const schema = resourceSchema().properties?.["status"] ?? {};

/** A status that has every field, each as long or as large as it may be. */
export function fullStatus(): Fields {
  return largest(schema) as Fields;
}

/**
 * @param length of lists, at most; as long as they may be, if not given.
 * @param index in the list that holds the value: no two conditions may be of one type.
 */
function largest(node: StructuralSchema, length = Infinity, index = 0): unknown {
  if (node.enum !== undefined) return node.enum.at(-1);
  if (node.format === "date-time") return "2030-12-31T23:59:59Z";
  switch (node.type) {
    case "integer":
      return node.maximum ?? Number.MAX_SAFE_INTEGER;
    case "string":
      return letter(index).repeat(node.maxLength ?? 0);
    case "array":
      return listOf(node, Math.min(length, node.maxItems ?? 0));
    default:
      return Object.fromEntries(
        Object.entries(node.properties ?? {}).map(([name, field]) => [
          name,
          largest(field, length, index),
        ]),
      );
  }
}

function listOf({ items = {} }: StructuralSchema, length: number): unknown[] {
  return Array.from({ length }, (_, index) => largest(items, length, index));
}

function letter(index: number): string {
  return String.fromCodePoint(65 + (index % 26));
}

/** A status with one field that is wrong. */
export interface BadStatus {
  /** The field as the API server names it. */
  field: string;
  wrong: string;
  status: Fields;
}

/**
 * A status for each way in which a field can be out of its bounds or missing, with all other
 * fields as large as they may be and one entry in each list.
 */
export function badStatuses(): BadStatus[] {
  const ways = waysToFail(schema, []).filter(({ path }) => path.length > 0);
  return ways.map(({ path, wrong, value }) => {
    const status = largest(schema, 1) as Fields;
    set(status, path, value);
    return { field: nameOf(path), wrong, status };
  });
}

type Path = (string | number)[];

/** A value for the field at this path that it may not have; `undefined` takes the field away. */
interface WayToFail {
  path: Path;
  wrong: string;
  value: unknown;
}

function waysToFail(node: StructuralSchema, path: Path): WayToFail[] {
  const { properties = {}, required = [], items } = node;
  return [
    ...Object.entries(wrongValues(node)).map(([wrong, value]) => ({ path, wrong, value })),
    ...required.map((name) => ({ path: [...path, name], wrong: "missing", value: undefined })),
    ...Object.entries(properties).flatMap(([name, field]) => waysToFail(field, [...path, name])),
    ...(items === undefined ? [] : waysToFail(items, [...path, 0])),
  ];
}

/** Values that a field may not have, by what is wrong with each. */
function wrongValues(node: StructuralSchema): Record<string, unknown> {
  if (node.enum !== undefined) return { "not one of its values": "Other" };
  if (node.format === "date-time") return { "not a time": "yesterday" };
  switch (node.type) {
    case "integer":
      return {
        "not whole": 1.5,
        ...(node.minimum === undefined ? {} : { "too small": node.minimum - 1 }),
        ...(node.maximum === undefined ? {} : { "too large": node.maximum + 1 }),
      };
    case "string":
      return {
        "too long": "x".repeat((node.maxLength ?? 0) + 1),
        ...(node.pattern === undefined ? {} : { "not of its pattern": "two words" }),
      };
    case "array":
      return {
        "too long": listOf(node, (node.maxItems ?? 0) + 1),
      };
    default:
      return { "not a map": "x" };
  }
}

function set(fields: unknown, path: Path, value: unknown): void {
  const [key = "", ...rest] = path;
  const holder = fields as Record<string | number, unknown>;
  if (rest.length > 0) set(holder[key], rest, value);
  else if (value === undefined) delete holder[key];
  else holder[key] = value;
}

function nameOf(path: Path): string {
  return path.reduce<string>(
    (name, key) => (typeof key === "number" ? `${name}[${key}]` : `${name}.${key}`),
    "status",
  );
}
