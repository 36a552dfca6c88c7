/** Programs of QEMU's names, for faults that the real ones cannot be made to show. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../support/command.ts";
import { testFolder } from "../support/folder.ts";

/** A PATH where programs do something in the shell first, by their names. */
export async function pathWith(first: Record<string, string>): Promise<string> {
  const bin = testFolder();
  for (const [name, script] of Object.entries(first)) {
    const real = (await must("which", [name])).trim();
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\nexec ${real} "$@"\n`, { mode: 0o755 });
  }
  return `${bin}:${process.env["PATH"]}`;
}
