/** Label and field selectors, as far as the controller uses them. */
import type { Stored } from "./store.ts";

export type Selects = (object: Stored) => boolean;

/** @throws Error for an operator or a field that the simulation does not know. */
export function selector(query: Record<string, string> = {}): Selects {
  const labels = requirements(query["labelSelector"]);
  const fields = requirements(query["fieldSelector"]);
  return (object) =>
    labels.every(({ key, value, equal }) => (object.metadata?.labels?.[key] === value) === equal) &&
    fields.every(({ key, value, equal }) => (field(object, key) === value) === equal);
}

function requirements(text = ""): { key: string; value: string; equal: boolean }[] {
  return text
    .split(",")
    .filter((part) => part !== "")
    .map((part) => {
      const [, key, operator, value] = /^([\w./-]+)(!?=)(.*)$/.exec(part) ?? [];
      if (key === undefined || value === undefined) throw new Error(`unknown selector: ${part}`);
      return { key, value, equal: operator === "=" };
    });
}

/** The fields by which Kubernetes selects pods and events. */
const known = new Set([
  ...["metadata.name", "metadata.namespace", "status.phase", "spec.nodeName"],
  ...["involvedObject.uid", "type"],
]);

function field(object: Stored, path: string): string {
  if (!known.has(path)) throw new Error(`unknown field: ${path}`);
  let value: unknown = object;
  for (const part of path.split("."))
    value = (value as Record<string, unknown> | undefined)?.[part];
  return typeof value === "string" ? value : "";
}
