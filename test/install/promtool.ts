/** promtool, which knows Prometheus' language: found, or taken out of Debian's package. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { must, run, type Ended } from "../support/command.ts";

/** Runs it to its end. */
export async function promtool(args: readonly string[], cwd: string): Promise<Ended> {
  return run(await program(), args, { cwd });
}

async function program(): Promise<string> {
  const known = await run("sh", ["-c", "command -v promtool"]);
  if (known.exitCode === 0) return known.stdout.trim();
  const cache = process.env["XDG_CACHE_HOME"];
  const parent = cache === undefined || cache === "" ? join(homedir(), ".cache") : cache;
  const folder = join(parent, "imagediff", "promtool");
  const path = join(folder, "promtool");
  if (!existsSync(path)) await unpack(folder, path);
  return path;
}

/** The package is not installed: it would start a Prometheus on this machine. */
async function unpack(folder: string, path: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const place = mkdtempSync(join(folder, "new-"));
  try {
    await must("apt-get", ["download", "prometheus"], { cwd: place }).catch((why: unknown) => {
      const what = "The tests of the alerts need promtool: put it on the PATH (in Debian, it is in";
      throw new Error(`${what} the package prometheus, which cannot be fetched here)`, {
        cause: why,
      });
    });
    const archive = readdirSync(place).find((name) => name.endsWith(".deb")) ?? "";
    await must("dpkg", ["--extract", archive, "."], { cwd: place });
    renameSync(join(place, "usr/bin/promtool"), path);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}
