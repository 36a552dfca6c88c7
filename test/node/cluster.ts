/** The cluster that the running test shares with all others, beyond its API: nodes and images. */
import { inject } from "vitest";
import { binaries } from "../cluster/binaries.ts";
import { kubeconfig } from "../cluster/cluster.ts";
import { must } from "../support/command.ts";
import { Node } from "./node.ts";

/**
 * Whether the nodes are our own, so that tests reach their insides: the one condition on which a
 * test of the project may depend, by `describe.runIf(ownNodes)`, and it must say so in its name.
 */
export const ownNodes = inject("nodes").length > 0;

/** Our own nodes. */
export function nodes(): Node[] {
  return inject("nodes").map((description) => new Node(description));
}

/** One of our own nodes, by its number: 1 or 2. */
export function node(number: number): Node {
  const found = nodes()[number - 1];
  if (found === undefined) throw new Error(`there is no node ${number} of our own`);
  return found;
}

/**
 * Makes pods able to use the images of an archive. In a cluster that `KUBECONFIG` names, the
 * command in `IMAGEDIFF_E2E_LOAD` does that, with the archive's path as its last argument: such as
 * `kind load image-archive`.
 */
export async function loadImage(archive: string): Promise<void> {
  if (ownNodes) {
    await Promise.all(nodes().map(async (each) => each.loadImage(archive)));
    return;
  }
  const command = process.env["IMAGEDIFF_E2E_LOAD"];
  if (command === undefined || command === "") {
    throw new Error(
      "IMAGEDIFF_E2E_LOAD must be a command that gives the cluster's nodes the images of an " +
        "archive, such as `kind load image-archive`",
    );
  }
  await must("sh", ["-euc", `${command} "$0"`, archive]);
}

/** Runs kubectl as the administrator; its standard output. */
export async function kubectl(...args: string[]): Promise<string> {
  const { kubectl: program } = await binaries("kubectl");
  return must(program, [`--kubeconfig=${kubeconfig("admin")}`, ...args]);
}

/** Lets no new pod onto a node, and moves away those that are there. */
export async function drain(name: string): Promise<void> {
  const flags = ["--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=60s"];
  await kubectl("drain", name, ...flags);
}

/** Lets pods onto a node again. */
export async function uncordon(name: string): Promise<void> {
  await kubectl("uncordon", name);
}
