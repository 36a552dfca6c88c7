/** From a manifest's text to a checked ImageDiff, as strict as the API server is. */
import { parseAllDocuments } from "yaml";
import { Failure } from "../report/reasons.ts";
import { describeIssue, problems } from "./problems.ts";
import { API_VERSION, ImageDiff, KIND } from "./resource.ts";
import { structuralSchema, type StructuralSchema } from "./structural.ts";

const resourceSchema = structuralSchema(ImageDiff);

/**
 * The one ImageDiff of a YAML (or JSON) text, with its defaults filled in. A status in the text
 * is left out, as the API server does on creation.
 * @throws Failure InvalidManifest, with a message that lists each bad field.
 */
export function parseManifest(text: string): ImageDiff {
  const documents = readDocuments(text).filter((document) => document !== null);
  const [document, ...others] = documents;
  if (document === undefined) throw invalid(`it is empty: give one ${KIND}`);
  for (const each of documents) requireImageDiff(each);
  if (others.length > 0) {
    throw invalid(`it holds ${documents.length} ${KIND}s: give one in each file`);
  }
  return validateImageDiff(document);
}

/**
 * The resource with its defaults filled in, if the API server would accept it.
 * @throws Failure InvalidManifest, with a message that lists each bad field.
 */
export function validateImageDiff(resource: object): ImageDiff {
  const { status: _, ...rest } = withoutNulls(resource, resourceSchema) as Record<string, unknown>;
  const parsed = ImageDiff.safeParse(rest, { error: describeIssue });
  if (parsed.success) return parsed.data;
  throw invalid(problems(parsed.error).join("\n  "));
}

function readDocuments(text: string): unknown[] {
  const documents = parseAllDocuments(text);
  return Array.from(documents, (document) => {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw invalid(`it is not valid YAML: ${problem.message.trim()}`);
    try {
      return document.toJS() as unknown;
    } catch (error) {
      throw invalid(`it is not valid YAML: ${(error as Error).message}`);
    }
  });
}

function requireImageDiff(document: unknown): asserts document is object {
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw invalid(`it is not a map of fields: give apiVersion, kind, metadata and spec`);
  }
  const { apiVersion, kind } = document as Record<string, unknown>;
  if (kind !== KIND) {
    throw invalid(
      `kind: must be ${KIND}, not ${JSON.stringify(kind) ?? "absent"}: give one ${KIND}`,
    );
  }
  if (apiVersion !== API_VERSION) {
    const found = JSON.stringify(apiVersion) ?? "absent";
    throw invalid(`apiVersion: must be ${API_VERSION}, not ${found}`);
  }
}

/**
 * A field that is null counts as not given, as the API server has it: where its schema knows the
 * field. An unknown one is an error all the same, and Kubernetes' own (affinity) stay as they are.
 */
function withoutNulls(value: unknown, schema: StructuralSchema | undefined): unknown {
  if (Array.isArray(value)) return value.map((item) => withoutNulls(item, schema?.items));
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).map(([name, field]) => ({
    name,
    field,
    known: schema?.properties?.[name] ?? schema?.additionalProperties,
  }));
  return Object.fromEntries(
    fields
      .filter(({ field, known }) => field !== null || known === undefined)
      .map(({ name, field, known }) => [name, withoutNulls(field, known)]),
  );
}

function invalid(what: string): Failure {
  return new Failure("InvalidManifest", `The manifest cannot be used:\n  ${what}`);
}
