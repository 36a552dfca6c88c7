/** The definitions of the Prometheus operator's kinds, as its project offers them. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { KubeObject } from "../cluster/client.ts";
import { readManifests } from "../cluster/manifests.ts";
import { must } from "../support/command.ts";

const cwd = fileURLToPath(new URL("prometheus/", import.meta.url));
const source = "github.com/prometheus-operator/prometheus-operator";

/** Those that the chart can make objects of; fetched once by Go, which checks them by go.sum. */
export async function prometheusDefinitions(): Promise<KubeObject[]> {
  const env = { GOFLAGS: "-mod=readonly", GOWORK: "off", GO111MODULE: "on" };
  const told = await must("go", ["mod", "download", "-json", source], { cwd, env });
  const { Dir } = JSON.parse(told) as { Dir: string };
  return ["servicemonitors", "prometheusrules"].flatMap((plural) =>
    readManifests(
      join(Dir, "example/prometheus-operator-crd", `monitoring.coreos.com_${plural}.yaml`),
    ),
  );
}
