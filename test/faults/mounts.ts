/** File systems of a test's own: they go when the test does. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { must, run } from "../support/command.ts";
import { testFolder } from "../support/folder.ts";

/** Mounts something on a new folder for the running test. */
export async function mounted(args: readonly string[]): Promise<string> {
  const folder = join(testFolder(), "mount");
  mkdirSync(folder);
  await must("mount", [...args, folder]);
  // Lazily: whoever still holds it open must not keep it there.
  onTestFinished(async () => void (await run("umount", ["--lazy", folder])));
  return folder;
}

/** @param size as tmpfs(5) takes it; what it holds, folders and names included, is less. */
export async function memoryFilesystem(size: string, ...options: string[]): Promise<string> {
  return mounted(["-t", "tmpfs", "-o", [`size=${size}`, ...options].join(","), "tmpfs"]);
}
