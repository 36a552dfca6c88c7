/**
 * Writes what of the Helm chart others decide: the definition of ImageDiff and the controller's
 * permissions. `npm run generate` does it after a change to either.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { stringify, parse } from "yaml";
import { crdFile } from "./crd.ts";
import { projectFile } from "./docs.ts";

/** Each file of the chart that is made, by its name from the project's folder, with its text. */
export function chartFiles(): Record<string, string> {
  const { rules } = parse(readFileSync(projectFile("deploy/base/cluster-role.yaml"), "utf8")) as {
    rules: unknown;
  };
  return {
    "helm/imagediff/files/crd.generated.yaml": readFileSync(projectFile(crdFile), "utf8"),
    "helm/imagediff/files/rules.generated.yaml":
      "# Made from deploy/base/cluster-role.yaml by scripts/helm.ts. Do not edit.\n" +
      stringify({ rules }),
  };
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(chartFiles())) writeFileSync(projectFile(name), text);
}
