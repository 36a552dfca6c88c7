/** Commands as a user types them. */
import { dirname } from "node:path";
import { projectFile } from "../../scripts/docs.ts";
import { binaries } from "../cluster/binaries.ts";
import { kubeconfig } from "../cluster/cluster.ts";
import { must } from "../support/command.ts";

/**
 * Runs them in the project's folder, with a kubectl that may do everything.
 * @returns their standard output.
 */
export async function type(commands: string): Promise<string> {
  const { kubectl } = await binaries("kubectl");
  const env = {
    KUBECONFIG: kubeconfig("admin"),
    PATH: `${dirname(kubectl)}:${process.env["PATH"]}`,
  };
  // The tutorial is more patient than a test: what it waits for must not outlive this one.
  const bounded = ["--kill-after=10", "900", "sh", "-euc", commands];
  return must("timeout", bounded, { env, cwd: projectFile(".") });
}
