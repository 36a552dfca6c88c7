/** Folders that go when the test does. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A new folder, with every symbolic link resolved, for the running test. */
export function testFolder(parent = tmpdir()): string {
  const folder = mkdtempSync(join(parent, "imagediff-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
