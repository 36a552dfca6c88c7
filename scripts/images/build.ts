/**
 * `npm run images`: builds both images from the Dockerfile by buildah, without any registry, and
 * writes them as OCI archives to dist/images, each with its bill of materials beside it.
 *
 *   npm run images -- [--arch amd64|arm64] [--fresh]
 *
 * One run at a time; nothing is done where nothing has changed since. What Debian and npm gave is
 * kept for the next build; --fresh asks them again.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readArchive } from "./archive.ts";
import { baseName, makeBase } from "./base.ts";
import { Buildah, must, project } from "./buildah.ts";
import { hashOfInputs } from "./inputs.ts";

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
const targets = ["controller", "engine"];
const inputs = hashOfInputs(project);
/** What the images of that architecture were last made from. */
const stamp = join(folder, `inputs-${arch}.sha256`);

if (fresh || !isUpToDate()) buildAll();
else say(`${folder} is up to date.`);

function isUpToDate(): boolean {
  const files = [stamp, ...targets.map(archiveOf)];
  return files.every((file) => existsSync(file)) && readFileSync(stamp, "utf8") === inputs;
}

function buildAll(): void {
  const buildah = new Buildah();
  mkdirSync(folder, { recursive: true });
  rmSync(stamp, { force: true });
  if (fresh || !buildah.has(baseName())) {
    say(`Making ${baseName()} of Debian's packages.`);
    makeBase(buildah);
  }
  try {
    // Named, so that it is kept.
    build(buildah, "packages", `localhost/imagediff-packages:${arch}`);
    for (const target of targets) write(buildah, target);
  } finally {
    // What a step that failed has left, and what no name leads to.
    buildah.run("rm", "--all");
    buildah.run("rmi", "--prune");
  }
  writeFileSync(stamp, inputs);
}

/** @returns the image's identity. */
function build(buildah: Buildah, target: string, name: string): string {
  const ca = process.env["NODE_EXTRA_CA_CERTS"];
  return buildah
    .run(
      "build",
      "--quiet",
      ...["--isolation", "chroot", "--network", "host", "--pull-never", "--layers"],
      ...(fresh && target === "packages" ? ["--no-cache"] : []),
      // Not --platform: buildah would look for a base of that architecture.
      ...["--target", target, "--build-arg", `TARGETARCH=${arch}`],
      ...["--build-arg", `VERSION=${version}`, "--build-arg", `REVISION=${revision()}`],
      ...["--timestamp", committed()],
      ...(ca === undefined || ca === "" ? [] : ["--secret", `id=ca,src=${ca}`]),
      ...["--tag", name, "."],
    )
    .trim();
}

function write(buildah: Buildah, target: string): void {
  const begun = Date.now();
  // As containerd, and so Kubernetes, spells a name that has no registry.
  const name = `docker.io/library/imagediff-${target}:${version}`;
  const built = build(buildah, target, name);
  const image = arch === native ? built : ofArchitecture(buildah, built);
  const archive = archiveOf(target);
  // Whoever reads the archive of before is not disturbed.
  const unfinished = `${archive}.new`;
  rmSync(unfinished, { force: true });
  buildah.run("push", "--quiet", image, `oci-archive:${unfinished}:${name}`);
  renameSync(unfinished, archive);
  buildah.run("rmi", "--force", image);
  const { compressed, unpacked, file } = readArchive(archive);
  const bill = archive.replace(/tar$/, "cdx.json");
  writeFileSync(bill, file("usr/share/imagediff/sbom.cdx.json"));
  const seconds = ((Date.now() - begun) / 1000).toFixed(0);
  const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
  say(
    `${archive}: ${name}, ${mebibytes(compressed)} MiB (${mebibytes(unpacked)} MiB unpacked), ` +
      `in ${seconds} s.`,
  );
}

function archiveOf(target: string): string {
  return join(folder, `imagediff-${target}-${arch}.tar`);
}

/** The same image, which says that it is for another architecture than this machine's. */
function ofArchitecture(buildah: Buildah, image: string): string {
  const container = buildah.run("from", image).trim();
  buildah.run("config", "--arch", arch, container);
  return buildah.run("commit", "--quiet", "--rm", container).trim();
}

/** The commit that is built, and whether more than that; empty where this is no clone. */
function revision(): string {
  return git("describe", "--always", "--abbrev=40", "--dirty");
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
