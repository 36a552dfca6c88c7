/**
 * Writes the parts of docs/ that the schemas decide: whatever lies between a marker such as
 * `<!-- generated: spec -->` and `<!-- end -->`. Run it after a change to a schema:
 *
 *   npm run generate
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { printerColumns, resourceSchema, selectableFields } from "../src/api/crd.ts";
import { conditionTypes } from "../src/api/status.ts";
import {
  ChainResult,
  FailureReport,
  OverlayResult,
  Progress,
  RestoreResult,
  VerifyResult,
} from "../src/report/schema.ts";

/** The files with generated parts, by their names from the project's folder. */
export const generatedFiles = ["docs/reference.md", "docs/report.md"] as const;

const parts: Record<string, () => string> = {
  spec: () => listOf(resourceField("spec"), "").join("\n"),
  status: () => listOf(resourceField("status"), "").join("\n"),
  rules() {
    const whole = [
      ...ruleSentences(resourceSchema()),
      ...ruleSentences(resourceField("spec"), ".spec."),
    ];
    return whole.map((each) => `- ${each}`).join("\n");
  },
  conditions: () => definitions(Object.entries(conditionTypes)),
  columns() {
    const lines = printerColumns.map(
      ({ name, description, priority, jsonPath }): [string, string] => [
        name,
        `${description}${priority === 1 ? " Wide." : ""} \`${jsonPath}\``,
      ],
    );
    return definitions(lines);
  },
  selectors: () => selectableFields.map((path) => `- \`${path.slice(1)}\``).join("\n"),
  report() {
    const lines = { Progress, OverlayResult, RestoreResult, VerifyResult, ChainResult };
    return Object.values({ ...lines, FailureReport })
      .map(schemaOf)
      .flatMap((line) => [
        `### ${line.properties?.["type"]?.enum?.[0]}`,
        listOf(line, "").join("\n"),
      ])
      .join("\n\n");
  },
};

/** The text of a file with its generated parts as the schemas have them now. */
export function regenerate(text: string): string {
  return text.replaceAll(
    /(<!-- generated: (\w+) -->\n).*?(<!-- end -->)/gs,
    (_, start: string, name: string, end: string) => {
      const part = parts[name];
      if (part === undefined) throw new Error(`nothing generates ${name}`);
      return `${start}\n${part()}\n\n${end}`;
    },
  );
}

/** What of JSON Schema the schemas use. */
interface Schema {
  type?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  enum?: string[];
  nullable?: boolean;
  format?: string;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  maxItems?: number;
  maxProperties?: number;
  "x-kubernetes-int-or-string"?: boolean;
  "x-kubernetes-validations"?: Array<{ message: string; fieldPath?: string }>;
}

/** A field of the resource as its CustomResourceDefinition has it. */
function resourceField(name: string): Schema {
  const field = resourceSchema().properties?.[name];
  if (field === undefined) throw new Error(`the resource has no ${name}`);
  return field;
}

function schemaOf(schema: z.ZodType): Schema {
  return z.toJSONSchema(schema, { target: "openapi-3.0", io: "input", reused: "inline" }) as Schema;
}

function definitions(lines: [word: string, meaning: string][]): string {
  return lines.map(([word, meaning]) => `- \`${word}\`: ${meaning}`).join("\n");
}

/** A schema's fields as a nested list. */
function listOf(schema: Schema, indent: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const required = schema.required?.includes(name) === true;
    const facts = [typeOf(field), ...(required ? ["required"] : [])].join(", ");
    const words = [field.description, ...ruleSentences(field)].filter((each) => each !== undefined);
    const about = words.length === 0 ? "" : `: ${words.join(" ")}`;
    const below = field.items ?? field;
    return [`${indent}- \`${name}\` (${facts})${about}`, ...listOf(below, `${indent}  `)];
  });
}

/** The rules of a schema as sentences, its fields by their paths below `prefix`. */
function ruleSentences(schema: Schema, prefix = "."): string[] {
  const validations = schema["x-kubernetes-validations"] ?? [];
  return validations
    .filter(({ message }) => !message.startsWith("cannot change once set"))
    .map(({ message, fieldPath }) =>
      fieldPath === undefined
        ? `It ${message}.`
        : `\`${`${prefix}${fieldPath.slice(1)}`.slice(1)}\` ${message}.`,
    );
}

function typeOf(schema: Schema): string {
  const nullable = schema.nullable === true ? " or null" : "";
  return `${plainTypeOf(schema)}${nullable}`;
}

function plainTypeOf(schema: Schema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(" | ");
  if (schema["x-kubernetes-int-or-string"] === true) return "quantity";
  switch (schema.type) {
    case "integer":
      return `whole number${range(schema)}`;
    case "number":
      return `number${range(schema)}`;
    case "string":
      return schema.format === "date-time"
        ? "time"
        : `string${most(schema.maxLength, "characters")}`;
    case "array":
      return `list${most(schema.maxItems, "entries")}`;
    case "object":
      return schema.properties === undefined
        ? `map${most(schema.maxProperties, "entries")}`
        : "object";
    case undefined:
    default:
      return schema.type ?? "any value";
  }
}

function most(bound: number | undefined, unit: string): string {
  return bound === undefined ? "" : ` of at most ${bound} ${unit}`;
}

/** A range that somebody chose: JSON's own, of integers without loss, says nothing. */
function range({ minimum, maximum }: Schema): string {
  const least = minimum === Number.MIN_SAFE_INTEGER ? undefined : minimum;
  const largest = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (least !== undefined && largest !== undefined) return ` from ${least} to ${largest}`;
  if (largest !== undefined) return ` of at most ${largest}`;
  return least === undefined ? "" : ` from ${least}`;
}

/** Where a file of the project lies. */
export function projectFile(name: string): string {
  return fileURLToPath(new URL(`../${name}`, import.meta.url));
}

if (import.meta.main) {
  for (const name of generatedFiles) {
    const path = projectFile(name);
    writeFileSync(path, regenerate(readFileSync(path, "utf8")));
  }
}
