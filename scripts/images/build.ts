/**
 * `npm run images`: builds both images from the Dockerfile by buildah, without any registry, and
 * writes them as OCI archives to dist/images, each with its bill of materials beside it.
 *
 *   npm run images -- [--arch amd64|arm64] [--fresh]
 *
 * What Debian and npm gave is kept for the next build; --fresh asks them again.
 */
import { mkdirSync, rmSync, writeFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readArchive } from "./archive.ts";
import { baseName, makeBase } from "./base.ts";
import { Buildah, must, project } from "./buildah.ts";

const native = process.arch === "x64" ? "amd64" : process.arch;
const { values } = parseArgs({
  options: {
    arch: { type: "string", default: native },
    fresh: { type: "boolean", default: false },
  },
});
const { arch, fresh } = values;
const { version } = JSON.parse(readFileSync(join(project, "package.json"), "utf8")) as {
  version: string;
};
const folder = join(project, "dist/images");
const buildah = new Buildah();

mkdirSync(folder, { recursive: true });
if (fresh || !buildah.has(baseName())) {
  say(`Making ${baseName()} of Debian's packages.`);
  makeBase(buildah);
}
try {
  for (const target of ["controller", "engine"]) build(target);
} finally {
  // What a step that failed has left.
  buildah.run("rm", "--all");
}

function build(target: string): void {
  const begun = Date.now();
  const name = `imagediff-${target}`;
  // As containerd, and so Kubernetes, spells the name that has no registry.
  const image = `docker.io/library/${name}:${version}`;
  const ca = process.env["NODE_EXTRA_CA_CERTS"];
  const built = buildah
    .run(
      "build",
      "--quiet",
      ...["--isolation", "chroot", "--network", "host", "--pull-never", "--layers"],
      ...(fresh ? ["--no-cache"] : []),
      ...["--platform", `linux/${arch}`, "--target", target],
      ...["--build-arg", `VERSION=${version}`, "--build-arg", `REVISION=${revision()}`],
      ...["--timestamp", committed()],
      ...(ca === undefined || ca === "" ? [] : ["--secret", `id=ca,src=${ca}`]),
      ...["--tag", image, "."],
    )
    .trim();
  const archive = join(folder, `${name}-${arch}.tar`);
  // It would add to what is there.
  rmSync(archive, { force: true });
  buildah.run("push", "--quiet", built, `oci-archive:${archive}:${image}`);
  const { compressed, unpacked, file } = readArchive(archive);
  writeFileSync(
    join(folder, `${name}-${arch}.cdx.json`),
    file("usr/share/imagediff/sbom.cdx.json"),
  );
  const seconds = ((Date.now() - begun) / 1000).toFixed(0);
  const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
  say(
    `${archive}: ${image}, ${mebibytes(compressed)} MiB (${mebibytes(unpacked)} MiB unpacked), ` +
      `in ${seconds} s.`,
  );
}

/** The commit that is built; empty where this is no clone. */
function revision(): string {
  return git("rev-parse", "HEAD");
}

/** When it was made, in seconds: the same sources give the same bytes. */
function committed(): string {
  return git("log", "-1", "--format=%ct") || "0";
}

function git(...args: string[]): string {
  try {
    return must("git", args).trim();
  } catch {
    return "";
  }
}

function say(text: string): void {
  process.stderr.write(`images: ${text}\n`);
}
