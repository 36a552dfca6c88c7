/** Starts the one control plane that the tests of the project `cluster` share. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { startControlPlane, type Access } from "./control-plane.ts";

declare module "vitest" {
  interface ProvidedContext {
    cluster: Access;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), "imagediff-cluster-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const plane = await startControlPlane(folder, { manifests: ["crds", "deploy"] });
    const { server, caPem, adminToken, auditLog } = plane;
    project.provide("cluster", { server, caPem, adminToken, auditLog, folder });
    return async () => {
      await plane.stop();
      remove();
    };
  } catch (why) {
    remove();
    throw why;
  }
}
