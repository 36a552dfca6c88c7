/** Starts the one control plane that the tests of the project `cluster` share. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { startControlPlane, type Access } from "./control-plane.ts";
import { shippedPermissions } from "./manifests.ts";

declare module "vitest" {
  interface ProvidedContext {
    cluster: Access;
  }
}

const prefix = "imagediff-cluster-";

/** Removes what runs have left that were killed; their programs ended with them. */
function sweep(): void {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(prefix))) {
    const pid = /^\d+(?=-)/.exec(name.slice(prefix.length))?.[0];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  sweep();
  const folder = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
  const remove = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  try {
    const manifests = ["crds", ...shippedPermissions()];
    const plane = await startControlPlane(folder, { manifests });
    // Vitest that is interrupted exits without tearing down.
    const abandon = (): void => {
      plane.kill();
      remove();
    };
    process.once("exit", abandon);
    const { server, caPem, adminToken, auditLog } = plane;
    project.provide("cluster", { server, caPem, adminToken, auditLog, folder });
    return async () => {
      await plane.stop();
      remove();
      process.off("exit", abandon);
    };
  } catch (why) {
    remove();
    throw why;
  }
}
