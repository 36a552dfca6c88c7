/** Helm as a user has it: its program, and the chart's objects as it renders them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAllDocuments, stringify } from "yaml";
import { projectFile } from "../../scripts/docs.ts";
import { kubernetesVersion, programsOf, type GoModule } from "../cluster/binaries.ts";
import type { KubeObject } from "../cluster/client.ts";
import { run, type Ended } from "../support/command.ts";

export const chart = projectFile("helm/imagediff");

const folder = fileURLToPath(new URL("helm/", import.meta.url));
const version = /^\s*helm\.sh\/helm\/v4 v(\S+)/m.exec(
  readFileSync(join(folder, "go.mod"), "utf8"),
)?.[1];

const module: GoModule<"helm"> = {
  folder,
  version: `helm-${version}`,
  programs: { helm: { package: "helm.sh/helm/v4/cmd/helm", purpose: "installs charts" } },
  stamps: [`-X helm.sh/helm/v4/internal/version.version=v${version}`],
};

/** Runs it to its end, without what the machine's user has set for it. */
export async function helm(args: readonly string[], kubeconfig = "/dev/null"): Promise<Ended> {
  const { helm: program } = await programsOf<"helm", "helm">(module, ["helm"]);
  const home = mkdtempSync(join(tmpdir(), "imagediff-helm-"));
  try {
    const homes = ["CACHE", "CONFIG", "DATA"].map((name) => [`HELM_${name}_HOME`, home]);
    const env = { ...Object.fromEntries(homes), HELM_NAMESPACE: "", KUBECONFIG: kubeconfig };
    return await run(program, args, { env });
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** The same, where nothing but success will do; its standard output. */
export async function mustHelm(args: readonly string[], kubeconfig?: string): Promise<string> {
  const { exitCode, stdout, stderr } = await helm(args, kubeconfig);
  if (exitCode !== 0) throw new Error(`helm ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

export interface Release {
  name?: string;
  namespace?: string;
  /** The chart's folder, if it is another. */
  chart?: string;
}

/** The objects that the chart makes of values. */
export async function render(values: object, release: Release = {}): Promise<KubeObject[]> {
  const { name = "imagediff", namespace = "imagediff-system" } = release;
  return withValues(values, async (file) => {
    const args = ["template", name, release.chart ?? chart, "--namespace", namespace];
    // Without a cluster, a Helm that was not released takes it for an old one.
    args.push("--kube-version", kubernetesVersion);
    return objectsOf(await mustHelm([...args, "--values", file]));
  });
}

/** Has the values in a file as long as somebody needs it. */
export async function withValues<T>(values: object, use: (file: string) => Promise<T>): Promise<T> {
  const home = mkdtempSync(join(tmpdir(), "imagediff-values-"));
  try {
    const file = join(home, "values.yaml");
    // Helm reads YAML 1.1, where "yes" and "on" are not words.
    writeFileSync(file, stringify(values, { version: "1.1" }));
    return await use(file);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** Every object of a stream of YAML documents. */
export function objectsOf(yaml: string): KubeObject[] {
  return parseAllDocuments(yaml)
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object !== null);
}

/** The only one of a kind, and of a name if there are several. */
export function the(objects: readonly KubeObject[], kind: string, name?: string): KubeObject {
  const found = objects.filter(
    (object) => object.kind === kind && (name === undefined || object.metadata?.name === name),
  );
  const [only] = found;
  if (only === undefined || found.length > 1) {
    throw new Error(`${found.length} of ${kind} ${name ?? ""}`);
  }
  return only;
}
