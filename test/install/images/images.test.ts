/** The product's images: what is in them, what is not, and that they work as a pod runs them. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { projectFile } from "../../../scripts/docs.ts";
import { eventually } from "../../cluster/eventually.ts";
import { linesOf, must } from "../../support/command.ts";
import { testFolder } from "../../support/folder.ts";
import { runContainer } from "./container.ts";
import { imageOf, type Image } from "./image.ts";

const MIB = 2 ** 20;
const folder = mkdtempSync(join(tmpdir(), "imagediff-images-"));
const images = {} as Record<"controller" | "engine", Image>;

beforeAll(async () => {
  images.controller = await imageOf("controller", folder);
  images.engine = await imageOf("engine", folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Every file and folder, or what else there is, by its path from the image's root. */
function entries(root: string, ...tests: string[]): string[] {
  const found = execFileSync("find", [root, "-mindepth", "1", ...tests, "-printf", "/%P\\n"]);
  return found.toString().split("\n").slice(0, -1);
}

function programs(root: string): string[] {
  return readdirSync(join(root, "usr/bin")).toSorted((one, other) => (one < other ? -1 : 1));
}

describe.each(["controller", "engine"] as const)("%s", (target) => {
  test("says what it is", () => {
    const { version } = JSON.parse(readFileSync(projectFile("package.json"), "utf8")) as {
      version: string;
    };
    const { config, architecture } = images[target].config;
    expect(architecture).toBe(process.arch === "x64" ? "amd64" : process.arch);
    expect(config.Labels).toMatchObject({
      "org.opencontainers.image.title": `imagediff-${target}`,
      "org.opencontainers.image.version": version,
      "org.opencontainers.image.licenses": "Apache-2.0",
    });
    expect(config.User).toBe(target === "controller" ? "65532:65532" : "107:107");
  });

  test("belongs to root, and nobody gains anything by a file", () => {
    const { root } = images[target];
    expect(entries(root, "(", "-not", "-uid", "0", "-o", "-not", "-gid", "0", ")")).toEqual([]);
    expect(entries(root, "-perm", "/6000")).toEqual([]);
    const writable = entries(root, "-not", "-type", "l", "-perm", "/022");
    expect(writable).toEqual(target === "engine" ? ["/tmp"] : []);
  });

  test("has every library that its programs ask for", () => {
    const { root } = images[target];
    const linker = readdirSync(join(root, "lib64")).find((name) => name.startsWith("ld-linux"));
    const linked = entries(root, "-type", "f").filter((path) => isElf(join(root, path)));
    expect(linked.length).toBeGreaterThan(5);
    for (const path of linked) {
      const told = execFileSync("chroot", [root, `/lib64/${linker}`, "--list", path], {
        encoding: "utf8",
      });
      expect(told).not.toContain("not found");
    }
  });

  test("has its bill of materials inside and beside it, and scanners see the same", () => {
    const { root, bill } = images[target];
    expect(readFileSync(join(root, "usr/share/imagediff/sbom.cdx.json"), "utf8")).toBe(bill);
    const { components } = JSON.parse(bill) as {
      components: Array<{ name: string; version: string; purl: string }>;
    };
    const debian = components.filter(({ purl }) => purl.startsWith("pkg:deb/"));
    const status = readdirSync(join(root, "var/lib/dpkg/status.d"));
    expect(new Set(debian.map(({ name }) => name))).toEqual(new Set(status));
    for (const { name, version } of debian) {
      const control = readFileSync(join(root, "var/lib/dpkg/status.d", name), "utf8");
      expect(control).toContain(`\nVersion: ${version}\n`);
    }
    const locked = JSON.parse(readFileSync(projectFile("package-lock.json"), "utf8")) as {
      packages: Record<string, { version: string; dev?: boolean }>;
    };
    const npm = components.filter(({ purl }) => purl.startsWith("pkg:npm/"));
    const versions = new Map(npm.map(({ name, version }) => [name, version]));
    for (const name of ["commander", "pino", "zod", "@kubernetes/client-node"]) {
      expect(versions.get(name)).toBe(locked.packages[`node_modules/${name}`]?.version);
    }
    expect(versions.has("koffi")).toBe(target === "engine");
    expect(versions.has("vitest")).toBe(false);
    const node = execFileSync("chroot", [root, "/usr/bin/node", "--version"], { encoding: "utf8" });
    expect(components).toContainEqual(
      expect.objectContaining({ name: "node", version: node.trim().slice(1) }),
    );
  });

  test("has the licences of what is inside", () => {
    const { root } = images[target];
    const texts = readdirSync(join(root, "usr/share/doc"));
    expect(texts).toEqual(expect.arrayContaining(["imagediff", "node", "libc6"]));
  });
});

function isElf(path: string): boolean {
  return readFileSync(path).subarray(0, 4).equals(Buffer.from("\x7fELF", "latin1"));
}

describe("controller", () => {
  test("is small, and has no program but Node", () => {
    expect(images.controller.size).toBeLessThan(90 * MIB);
    expect(programs(images.controller.root)).toEqual(["node"]);
  });

  test("tells of its flags, and what is wrong with them", async () => {
    const help = await runContainer(images.controller, ["--help"]);
    expect(help).toMatchObject({ exitCode: 0, stderr: "" });
    expect(help.stdout).toContain("--engine-image <image>");
    const wrong = await runContainer(images.controller, ["--engine-image", "x"]);
    expect(wrong.exitCode).toBe(2);
    expect(wrong.stderr).toContain("No kubeconfig can be used");
  });
});

describe("engine", () => {
  test("has QEMU's tools and what starts them, and no more", () => {
    expect(images.engine.size).toBeLessThan(90 * MIB);
    const expected = ["dash", "node", "prlimit", "qemu-img", "qemu-nbd", "setpriv", "sh"];
    expect(programs(images.engine.root)).toEqual(expected);
    const native = entries(images.engine.root).filter((path) => path.endsWith(".node"));
    expect(native.map((path) => basename(path))).toEqual(["koffi.node"]);
  });

  /** Claims with a base, and a copy of it that has changed, as raw and as qcow2. */
  async function volumes(owner: number): Promise<string> {
    const place = testFolder();
    chmodSync(place, 0o755);
    for (const name of ["golden", "root", "thin"]) mkdirSync(join(place, name));
    const base = Buffer.alloc(4 * MIB);
    base.write("what everyone started from", MIB);
    writeFileSync(join(place, "golden/disk.img"), base);
    base.write("what has changed since", 3 * MIB);
    const modified = join(place, "root/disk.img");
    writeFileSync(modified, base);
    const args = ["convert", "-f", "raw", "-O", "qcow2", modified, join(place, "root/disk.qcow2")];
    await must("qemu-img", args);
    for (const name of readdirSync(place, { recursive: true, encoding: "utf8" })) {
      chownSync(join(place, name), owner, owner);
    }
    return place;
  }

  const inputs = ["--json", "-b", "/volumes/golden/disk.img", "-F", "raw"];
  const bounds = ["golden", "root", "thin"].flatMap((name) => ["--volume", `/volumes/${name}`]);
  const report = ["--report-file", "/dev/termination-log"];

  test.each([
    { format: "raw", user: "107:107" },
    { format: "qcow2", user: "107:107" },
    // As a cluster may choose it that gives each namespace users of its own.
    { format: "qcow2", user: "1000660000:1000660000" },
  ])("makes an overlay of a $format image as $user", async ({ format, user }) => {
    const place = await volumes(Number(user.split(":")[0]));
    const source = `/volumes/root/disk.${format === "raw" ? "img" : format}`;
    const names = ["--backing-file", "../golden/disk.img", "--", source, "/volumes/thin/o.qcow2"];
    const args = ["diff", ...report, ...inputs, "-f", format, ...bounds, ...names];
    const ended = await runContainer(images.engine, args, { user, volumes: place });
    expect(ended).toMatchObject({ exitCode: 0, stderr: "" });
    expect(linesOf(ended).at(-1)).toMatchObject({ type: "result", verification: "full" });
    const { stdout } = await compared(join(place, "thin/o.qcow2"), join(place, "root/disk.img"));
    expect(stdout).toContain("Images are identical.");
    expect(readdirSync(join(place, "thin"))).toEqual(["o.qcow2"]);
  });

  async function compared(overlay: string, modified: string) {
    const args = ["compare", "-f", "qcow2", "-F", "raw", overlay, modified];
    return { stdout: await must("qemu-img", args) };
  }

  test("ends in order when the pod is stopped", async () => {
    const place = await volumes(107);
    // So large that it is at work for long: every byte is to be read.
    await must("truncate", [
      "--size=64G",
      ...["golden", "root"].map((n) => join(place, n, "disk.img")),
    ]);
    const names = ["--", "/volumes/root/disk.img", "/volumes/thin/o.qcow2"];
    const args = ["diff", ...inputs, "-f", "raw", "--no-trust-holes", ...bounds, ...names];
    const ended = await runContainer(images.engine, args, {
      volumes: place,
      onStart: (pid) => {
        // It has begun once its unfinished output is there.
        void eventually(() => readdirSync(join(place, "thin")).length > 0).then(() =>
          process.kill(pid, "SIGTERM"),
        );
      },
    });
    expect(ended.exitCode).toBe(143);
    expect(readdirSync(join(place, "thin"))).toEqual([]);
  });
});
