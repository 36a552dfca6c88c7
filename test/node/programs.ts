/** Where the programs of a node are, besides those of Kubernetes and of Debian. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { binaries, programsOf, type GoModule, type Program } from "../cluster/binaries.ts";

const containerd = "github.com/containerd/containerd/v2/cmd";
const plugins = "github.com/containernetworking/plugins/plugins";

const programs = {
  containerd: { package: `${containerd}/containerd`, purpose: "runs containers for the kubelet" },
  "containerd-shim-runc-v2": {
    package: `${containerd}/containerd-shim-runc-v2`,
    purpose: "stays with a pod's containers while containerd comes and goes",
  },
  ctr: { package: `${containerd}/ctr`, purpose: "gives containerd images that come in files" },
  bridge: { package: `${plugins}/main/bridge`, purpose: "connects pods with their node" },
  "host-local": { package: `${plugins}/ipam/host-local`, purpose: "gives pods their addresses" },
  loopback: { package: `${plugins}/main/loopback`, purpose: "gives pods a loopback device" },
  pause: { package: "./pause", purpose: "the first process of nodes and pods" },
} satisfies Record<string, Program>;

type NodeProgram = keyof typeof programs;

const folder = fileURLToPath(new URL(".", import.meta.url));

function versionOf(...files: readonly string[]): string {
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(join(folder, file)));
  return `node-${hash.digest("hex").slice(0, 12)}`;
}

const module: GoModule<NodeProgram> = {
  folder,
  version: versionOf("go.mod", "pause/main.go"),
  programs,
  stamps: [],
};

/** The paths of all that a node runs and that does not come from Debian. */
export type NodePrograms = Record<NodeProgram | "kubelet" | "kube-proxy", string>;

/**
 * Finds them all, and builds those that are not there.
 * @throws Error that says what to install or to set.
 */
export async function nodePrograms(): Promise<NodePrograms> {
  const names = Object.keys(programs) as NodeProgram[];
  return {
    ...(await programsOf<NodeProgram, NodeProgram>(module, names)),
    ...(await binaries("kubelet", "kube-proxy")),
  };
}

/** The folders that they are in. */
export function foldersOf(paths: NodePrograms): string[] {
  return [...new Set(Object.values(paths).map((path) => dirname(path)))];
}
