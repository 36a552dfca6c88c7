/**
 * Writes what of the Helm chart others decide, the definition of ImageDiff and the controller's
 * permissions, and the lists in docs/install.md that the chart decides. `npm run generate` does it
 * after a change to either.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { isMap, isScalar, parse, parseDocument, stringify, type YAMLMap } from "yaml";
import { crdFile } from "./crd.ts";
import { projectFile } from "./docs.ts";

const installation = "docs/install.md";

/** Each file that is made, by its name from the project's folder, with its text. */
export function chartFiles(): Record<string, string> {
  const { rules } = parse(textOf("deploy/base/cluster-role.yaml")) as { rules: unknown };
  return {
    "helm/imagediff/files/crd.generated.yaml": textOf(crdFile),
    "helm/imagediff/files/rules.generated.yaml":
      "# Made from deploy/base/cluster-role.yaml by scripts/helm.ts. Do not edit.\n" +
      stringify({ rules }),
    [installation]: withLists(textOf(installation)),
  };
}

function textOf(name: string): string {
  return readFileSync(projectFile(name), "utf8");
}

const lists: Record<string, () => string> = {
  alerts() {
    const { alerts } = parse(textOf("helm/imagediff/files/alerts.yaml")) as {
      alerts: Array<{
        alert: string;
        labels: { severity: string };
        annotations: { summary: string };
      }>;
    };
    return alerts
      .map((each) => `- \`${each.alert}\` (${each.labels.severity}): ${each.annotations.summary}`)
      .join("\n");
  },
  values() {
    const { contents } = parseDocument(textOf("helm/imagediff/values.yaml"));
    if (!isMap(contents)) throw new Error("values.yaml is no map");
    return valuesOf(contents, "").join("\n");
  },
};

function withLists(text: string): string {
  return text.replaceAll(
    /(<!-- generated: (\w+) -->\n).*?(<!-- end -->)/gs,
    (_, start: string, name: string, end: string) => `${start}\n${lists[name]?.()}\n\n${end}`,
  );
}

/** A line for each value that a comment explains, with its default. */
function valuesOf(map: YAMLMap, prefix: string): string[] {
  return map.items.flatMap(({ key, value }, index) => {
    if (!isScalar(key)) return [];
    const path = `${prefix}${String(key.value)}`;
    const below = isMap(value) ? valuesOf(value, `${path}.`) : [];
    // A comment before the first value of a map is taken for the map's own.
    const comment = key.commentBefore ?? (index === 0 ? map.commentBefore : undefined);
    if (comment === undefined || comment === null) return below;
    const words = comment.replaceAll(/\s+/g, " ").trim();
    const plain = (value as { toJSON: () => unknown } | null)?.toJSON() ?? null;
    return [`- \`${path}\` (\`${JSON.stringify(plain)}\`): ${words}`];
  });
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(chartFiles())) writeFileSync(projectFile(name), text);
}
