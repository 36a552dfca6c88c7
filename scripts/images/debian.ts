/**
 * Unpacks Debian's packages that the images are made of, for any architecture, without running
 * anything of them:
 *
 *   node scripts/images/debian.ts amd64|arm64 FOLDER
 *
 * Afterwards FOLDER/root has their files, and FOLDER/packages.json says whose each file is.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Named are those that a file is taken from by name; apt adds what they depend on. */
const wanted = [
  "base-files",
  "libc-bin",
  "libstdc++6",
  ...["dash", "util-linux", "qemu-utils", "libnbd0"],
];

/** One of Debian's binary packages. */
export interface Package {
  name: string;
  version: string;
  /** As the package itself has it: what a scanner reads. */
  control: string;
  /** Absolute paths, with /bin, /lib and the like below /usr. */
  files: string[];
}

/** Debian has these folders below /usr since 2023, where older packages still ship them at the root. */
const merged = ["bin", "sbin", "lib", "lib64"];

/** A path of the root as it is once those folders are merged. */
export function canonical(path: string): string {
  return path.replace(/^\/(bin|sbin|lib|lib64)\//, "/usr/$1/");
}

function unpack(architecture: string, folder: string): void {
  const archives = download(architecture, folder);
  const root = join(folder, "root");
  for (const name of merged) {
    mkdirSync(join(root, "usr", name), { recursive: true });
    symlinkSync(`usr/${name}`, join(root, name));
  }
  const packages = archives.map((archive): Package => {
    const field = (name: string): string => output("dpkg-deb", ["--field", archive, name]).trim();
    const extract = 'dpkg-deb --fsys-tarfile "$0" | tar -x --keep-directory-symlink -C "$1"';
    execFileSync("sh", ["-c", extract, archive, root], { stdio: "inherit" });
    const listed = output("sh", ["-c", 'dpkg-deb --fsys-tarfile "$0" | tar -t', archive]);
    return {
      name: field("Package"),
      version: field("Version"),
      control: output("dpkg-deb", ["--field", archive]),
      files: listed.split("\n").map((line) => canonical(line.replace(/^\./, ""))),
    };
  });
  writeFileSync(join(folder, "packages.json"), JSON.stringify(packages));
}

/** Has apt find, fetch and check them, for a machine on which nothing is installed yet. */
function download(architecture: string, folder: string): string[] {
  const at = (...names: string[]): string => join(folder, "apt", ...names);
  mkdirSync(at("lists", "partial"), { recursive: true });
  mkdirSync(at("archives", "partial"), { recursive: true });
  writeFileSync(at("status"), "");
  const settings = {
    "APT::Architecture": architecture,
    "APT::Sandbox::User": "root",
    "Dir::State::status": at("status"),
    "Dir::State::lists": at("lists"),
    "Dir::Cache::archives": at("archives"),
    "Dir::Cache::pkgcache": "",
    "Dir::Cache::srcpkgcache": "",
  };
  writeFileSync(
    at("apt.conf"),
    // Else those that this machine's own dpkg knows count too.
    `#clear APT::Architectures;\nAPT::Architectures { "${architecture}"; };\n` +
      Object.entries(settings)
        .map(([name, value]) => `${name} "${value}";\n`)
        .join(""),
  );
  const env = { ...process.env, APT_CONFIG: at("apt.conf") };
  const apt = (...args: string[]) =>
    execFileSync("apt-get", ["-qq", ...args], { env, stdio: ["ignore", "ignore", "inherit"] });
  apt("update");
  apt("install", "--yes", "--download-only", "--no-install-recommends", ...wanted);
  return readdirSync(at("archives"))
    .filter((name) => name.endsWith(".deb"))
    .toSorted()
    .map((name) => at("archives", name));
}

function output(program: string, args: readonly string[]): string {
  return execFileSync(program, args, { encoding: "utf8", maxBuffer: 1 << 26 });
}

if (import.meta.main) {
  const [architecture = "", folder = ""] = process.argv.slice(2);
  unpack(architecture, folder);
}
