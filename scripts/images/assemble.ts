/**
 * Puts the roots of both images together, inside of the image build:
 *
 *   node scripts/images/assemble.ts amd64|arm64 DEBIAN NPM BUNDLE OUTPUT
 *
 * DEBIAN is what scripts/images/debian.ts has made, NPM a folder with the packages and the bill of
 * materials for the architecture, BUNDLE what scripts/build.ts has made. OUTPUT/controller and
 * OUTPUT/engine are the roots.
 */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Package } from "./debian.ts";
import { Root } from "./root.ts";
import { billOfMaterials, type NpmBill } from "./sbom.ts";

const [architecture = "", debian = "", npm = "", bundle = "", output = ""] = process.argv.slice(2);

const packages = JSON.parse(readFileSync(join(debian, "packages.json"), "utf8")) as Package[];
const bill = JSON.parse(readFileSync(join(npm, "sbom.json"), "utf8")) as NpmBill;
const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
const cpu = architecture === "amd64" ? "x64" : architecture;
const node = join(npm, "node_modules", `node-linux-${cpu}`);
const koffi = "node_modules/koffi";
/** What index.js loads, directly and not. */
const loaded = ["src/koffi/index.js", "src/koffi/src/static.js"];
const koffiNative = `node_modules/@koromix/koffi-linux-${cpu}`;
const nodePackage = JSON.parse(readFileSync(join(node, "package.json"), "utf8")) as {
  version: string;
};

controller();
engine();

function controller(): void {
  const root = newRoot("controller", { name: "nonroot", id: 65_532 });
  finish(root, "controller", ["koffi", "@koromix/"]);
}

function engine(): void {
  const root = newRoot("engine", { name: "qemu", id: 107 });
  // The engine's tools, and the shell, which starts them only while the engine lives.
  for (const name of ["qemu-img", "qemu-nbd", "setpriv", "prlimit", "dash", "sh"]) {
    root.take(`/usr/bin/${name}`);
  }
  // Loaded by name while it runs.
  for (const name of ["libnbd.so.0", "libz.so.1"]) root.takeLibrary(name);
  for (const path of filesBelow("/usr/lib/locale/C.utf8/")) root.take(path);
  // koffi's files that are loaded, and its native part, of which there is another for musl.
  for (const name of ["package.json", "LICENSE.txt", "index.js", ...loaded]) {
    root.copy(join(npm, koffi, name), `/usr/lib/imagediff/${koffi}/${name}`);
  }
  for (const name of ["package.json", "index.js", `linux_${cpu}/koffi.node`]) {
    root.copy(join(npm, koffiNative, name), `/usr/lib/imagediff/${koffiNative}/${name}`);
  }
  root.makeFolder("/tmp", 0o1777);
  finish(root, "engine", []);
}

/** A root with what both images have: Node, the bundle, and the name of their user. */
function newRoot(name: string, user: { name: string; id: number }): Root {
  mkdirSync(join(output, name), { recursive: true });
  const root = new Root(join(output, name), join(debian, "root"), architecture);
  root.copy(join(node, "bin/node"), "/usr/bin/node");
  root.copy(join(node, "LICENSE"), "/usr/share/doc/node/LICENSE");
  root.copy("LICENSE", "/usr/share/doc/imagediff/LICENSE");
  for (const file of readdirSync(bundle).filter((each) => each.endsWith(".mjs"))) {
    root.copy(join(bundle, file), `/usr/lib/imagediff/${file}`);
  }
  // By which scanners know whose packages these are.
  root.take("/etc/os-release");
  root.take("/etc/debian_version");
  const account = `${user.name}:x:${user.id}:${user.id}:${user.name}:/nonexistent:/usr/sbin/nologin`;
  root.write("/etc/passwd", `root:x:0:0:root:/root:/usr/sbin/nologin\n${account}\n`);
  root.write("/etc/group", `root:x:0:\n${user.name}:x:${user.id}:\n`);
  root.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
  return root;
}

/** Names what is inside: for scanners as for readers of licences. */
function finish(root: Root, name: string, without: string[]): void {
  const inside = packages.filter(({ files }) => files.some((path) => root.taken.has(path)));
  for (const { name: packageName, control } of inside) {
    root.write(`/var/lib/dpkg/status.d/${packageName}`, control);
    const copyright = `/usr/share/doc/${packageName}/copyright`;
    if (filesBelow(copyright).length > 0) root.take(copyright);
  }
  const document = billOfMaterials({
    name: `imagediff-${name}`,
    version,
    architecture,
    packages: inside,
    npm: bill,
    without,
    nodeVersion: nodePackage.version,
  });
  const text = `${JSON.stringify(document, null, 2)}\n`;
  root.write("/usr/share/imagediff/sbom.cdx.json", text);
}

/** Debian's files whose path begins so. */
function filesBelow(prefix: string): string[] {
  return packages
    .flatMap(({ files }) => files)
    .filter((path) => path.startsWith(prefix) && !path.endsWith("/"));
}
