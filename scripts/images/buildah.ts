/** buildah with a storage of its own: what the user's has is neither used nor changed. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const project = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Runs a program that must succeed; what it complains about is shown.
 * @returns its standard output.
 */
export function must(program: string, args: readonly string[], options: { cwd?: string } = {}) {
  return execFileSync(program, args, {
    cwd: options.cwd ?? project,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 1 << 26,
  });
}

export class Buildah {
  readonly #storage: string[];

  constructor() {
    const cache = process.env["XDG_CACHE_HOME"];
    const parent = cache === undefined || cache === "" ? join(homedir(), ".cache") : cache;
    const folder = join(parent, "imagediff", "buildah");
    mkdirSync(folder, { recursive: true });
    this.#storage = ["--root", join(folder, "root"), "--runroot", join(folder, "run")];
  }

  /** @returns its standard output. */
  run(...args: readonly string[]): string {
    const buildah = ["buildah", ...this.#storage, ...args];
    // What it mounts goes when it ends, however it ends. Who is not root has its own such means.
    const apart = process.getuid?.() === 0 ? ["unshare", "--mount"] : [];
    const [program = "", ...rest] = [...apart, ...buildah];
    return must(program, rest);
  }

  has(image: string): boolean {
    const names = this.run("images", "--noheading", "--format", "{{.Name}}:{{.Tag}}");
    return names.split("\n").includes(image);
  }
}
