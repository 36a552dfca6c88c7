/**
 * The image that the build starts from, made of Debian's own packages and the project's own Node:
 * what the official image of Node has, without asking a registry for it.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Buildah } from "./buildah.ts";
import { must, project } from "./buildah.ts";

/** Of those that come with Node 24. Its packages are in its archive: nothing else is fetched. */
const NPM = "npm@11.19.1";

/** The name that the Dockerfile asks for. */
export function baseName(): string {
  const text = readFileSync(join(project, "Dockerfile"), "utf8");
  const [, name] = /^ARG NODE_IMAGE=(\S+)$/m.exec(text) ?? [];
  if (name === undefined) throw new Error("Dockerfile does not name NODE_IMAGE");
  return name;
}

/** Makes it and stores it under that name. */
export function makeBase(buildah: Buildah): void {
  const folder = mkdtempSync(join(tmpdir(), "imagediff-base-"));
  try {
    const node = join(project, "node_modules", `node-linux-${process.arch}`, "bin/node");
    const npm = join(folder, must("npm", ["pack", "--silent", NPM], { cwd: folder }).trim());
    const [, release] = /-(\w+)-slim$/.exec(baseName()) ?? [];
    if (release === undefined) throw new Error(`${baseName()} names no release of Debian`);
    const root = join(folder, "root.tar");
    const npmFolder = "usr/local/lib/node_modules/npm";
    must("mmdebstrap", [
      "--quiet",
      "--variant=minbase",
      // As the slim images of Debian have it.
      ...["man", "doc", "locale"].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
      `--customize-hook=cp '${node}' "$1/usr/local/bin/node"`,
      `--customize-hook=mkdir -p "$1/${npmFolder}" && tar -xzf '${npm}' -C "$1/${npmFolder}" --strip-components=1`,
      `--customize-hook=ln -s '/${npmFolder}/bin/npm-cli.js' "$1/usr/local/bin/npm"`,
      `--customize-hook=chmod +x "$1/${npmFolder}/bin/npm-cli.js"`,
      release,
      root,
    ]);
    const container = buildah.run("from", "scratch").trim();
    try {
      buildah.run("add", "--quiet", container, root, "/");
      buildah.run("commit", "--quiet", container, baseName());
    } finally {
      buildah.run("rm", container);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
