/** Manifests in files, as a user applies them. */
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";
import type { Client, KubeObject } from "./client.ts";
import { eventually } from "./eventually.ts";

/** Every object of a YAML or JSON file, or of all such files below a folder. */
export function readManifests(path: string): KubeObject[] {
  if (!existsSync(path)) return [];
  if (statSync(path).isDirectory()) {
    return readdirSync(path)
      .toSorted()
      .flatMap((name) => readManifests(join(path, name)));
  }
  if (!/\.(ya?ml|json)$/.test(path)) return [];
  return parseAllDocuments(readFileSync(path, "utf8"))
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object?.kind !== undefined && object.kind !== "Kustomization")
    .map((object) => object as KubeObject);
}

const permissions = new Set([
  ...["Namespace", "ServiceAccount"],
  ...["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
]);

/** What a user who installs the operator gives it leave to do; the operator itself runs outside. */
export function shippedPermissions(): KubeObject[] {
  const shipped = fileURLToPath(new URL("../../deploy/base", import.meta.url));
  return readManifests(shipped)
    .filter(({ kind = "" }) => permissions.has(kind))
    .map((object) => (object.kind === "Role" ? withoutNames(object as Role) : object));
}

interface Role extends KubeObject {
  rules: Array<{ resourceNames?: string[] }>;
}

/**
 * Each test has a Lease of its own name. That the role as it is shipped is enough for the one of the
 * default name, the chart's tests show.
 */
function withoutNames(role: Role): Role {
  const rules = role.rules.map((rule) => {
    const { resourceNames: _, ...unnamed } = rule;
    return unnamed;
  });
  return { ...role, rules };
}

/** Applies them in their order; what they define can be used from then on. */
export async function applyManifests(
  client: Client,
  manifests: readonly KubeObject[],
): Promise<void> {
  for (const manifest of manifests) {
    await client.apply(manifest, { manager: "setup" });
    if (manifest.kind === "CustomResourceDefinition") await established(client, manifest);
  }
}

interface Definition extends KubeObject {
  spec: { group: string; names: { kind: string }; versions: Array<{ name: string }> };
  status?: { conditions?: Array<{ type: string; status: string }> };
}

async function established(client: Client, manifest: KubeObject): Promise<void> {
  await eventually(async () => {
    const { spec, status } = await client.get<Definition>(manifest);
    const conditions = status?.conditions ?? [];
    if (!conditions.some(({ type, status: is }) => type === "Established" && is === "True")) {
      return false;
    }
    // Its discovery may still lag behind: it must know where the objects are, too.
    const { kind } = spec.names;
    for (const { name } of spec.versions) {
      await client.path({
        apiVersion: `${spec.group}/${name}`,
        kind,
        metadata: { namespace: "x" },
      });
    }
    return true;
  });
}
