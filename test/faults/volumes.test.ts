/** Claims that reach out of their volumes: by `imagediff run`, and by --volume. */
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { must } from "../support/command.ts";
import type { Reason } from "../../src/report/reasons.ts";
import { reasons } from "../../src/report/reasons.ts";
import { contents, disk, expectNothingLeft, expectRefusal, MiB, Scene } from "./scene.ts";

/** Three claims: golden, web and thin, and a folder beside them that is no claim. */
function claims(): { scene: Scene; manifest: string; at: (...names: string[]) => string } {
  const scene = new Scene();
  const at = (...names: string[]): string => join(scene.folder, "claims", ...names);
  for (const name of ["golden", "web", "thin", "other"]) mkdirSync(at(name), { recursive: true });
  renameSync(scene.base, at("golden", "disk.img"));
  renameSync(scene.modified, at("web", "disk.img"));
  disk(at("other", "disk.img"), 8 * MiB, [[0, "secret"]]);
  const manifest = join(scene.folder, "manifest.yaml");
  writeFileSync(manifest, yaml());
  return { scene, manifest, at };
}

function yaml(changes: { modified?: string; output?: string } = {}): string {
  return [
    "apiVersion: imagediff.io/v1alpha1",
    "kind: ImageDiff",
    "metadata: {name: web-01}",
    "spec:",
    "  base: {claimName: golden, format: raw}",
    `  modified: {claimName: web${changes.modified ?? ""}}`,
    `  output: {claimName: thin${changes.output ?? ""}}`,
    "",
  ].join("\n");
}

interface Resource {
  status: { lastFailure: object };
}

async function expectRunFails(
  { scene, manifest, at }: ReturnType<typeof claims>,
  reason: Reason,
  says: string,
): Promise<void> {
  const before = contents(scene.folder);
  const ended = await scene.run(["run", "-o", "json", "-f", manifest, "--volumes", at()]);
  expect(ended).toMatchObject({ exitCode: reasons[reason] });
  expect(ended.stderr).toMatch(new RegExp(`^imagediff: .*\\[${reason}\\]\\n$`, "s"));
  expect(ended.stderr).toContain(says);
  const resource = ended.stdout === "" ? null : (JSON.parse(ended.stdout) as Resource);
  expect(resource === null).toBe(reason === "InvalidManifest");
  const exitCode = reasons[reason];
  expect(resource?.status.lastFailure ?? { reason, exitCode }).toMatchObject({ reason, exitCode });
  expect(contents(scene.folder)).toEqual(before);
  expectNothingLeft(scene);
}

/** Puts something else in the place of web's disk.img. */
async function replaced(make: (path: string) => Promise<unknown> | void) {
  const all = claims();
  renameSync(all.at("web", "disk.img"), all.at("web", "real.img"));
  await make(all.at("web", "disk.img"));
  return all;
}

describe("a claim's disk.img", () => {
  test.each<[string, Reason, (path: string) => Promise<unknown> | void]>([
    [
      "a link to a file of the host",
      "PathOutsideVolume",
      (path) => symlinkSync("/etc/passwd", path),
    ],
    [
      "a link into another claim",
      "PathOutsideVolume",
      (path) => symlinkSync("../other/disk.img", path),
    ],
    [
      "a link into the base's claim",
      "PathOutsideVolume",
      (path) => symlinkSync("../golden/disk.img", path),
    ],
    ["a link to a device", "ImageInvalid", (path) => symlinkSync("/dev/zero", path)],
    ["a named pipe", "ImageInvalid", async (path) => must("mkfifo", [path])],
    ["a folder", "ImageInvalid", (path) => mkdirSync(path)],
    ["a block device's node", "ImageRefused", async (path) => must("mknod", [path, "b", "7", "0"])],
    ["missing", "ImageNotFound", () => undefined],
  ])("%s", async (_, reason, make) => {
    await expectRunFails(await replaced(make), reason, "disk.img");
  });

  test("a link within the claim is fine", async () => {
    const { scene, manifest, at } = await replaced((path) => symlinkSync("real.img", path));
    const ended = await scene.run(["run", "-f", manifest, "--volumes", at()]);
    expect(ended).toMatchObject({ exitCode: 0 });
    await must("qemu-img", ["check", at("thin", "web-01.qcow2")]);
  });

  test("an output below a link whose depth is another is refused: it would miss the base", async () => {
    const all = claims();
    mkdirSync(all.at("thin", "a", "b"), { recursive: true });
    symlinkSync("a/b", all.at("thin", "folder"));
    writeFileSync(all.manifest, yaml({ output: ", path: folder/web-01.qcow2" }));
    await expectRunFails(all, "BackingFileRefused", "leads nowhere");
    mkdirSync(all.at("thin", "golden"));
    disk(all.at("thin", "golden", "disk.img"), 8 * MiB, [[0, "another"]]);
    await expectRunFails(all, "BackingFileRefused", "leads to another file");
  });

  test("below a folder that leads out", async () => {
    const all = claims();
    symlinkSync("../other", all.at("web", "folder"));
    writeFileSync(all.manifest, yaml({ modified: ", path: folder/disk.img" }));
    await expectRunFails(all, "PathOutsideVolume", "folder/disk.img");
  });
});

test("a path with .., or an absolute one, in the manifest", async () => {
  for (const path of ["../other/disk.img", "a/../../other/disk.img", "/etc/passwd"]) {
    const all = claims();
    writeFileSync(all.manifest, yaml({ modified: `, path: "${path}"` }));
    await expectRunFails(all, "InvalidManifest", "spec.modified.path");
    writeFileSync(all.manifest, yaml({ output: `, path: "${path}"` }));
    await expectRunFails(all, "InvalidManifest", "spec.output.path");
  }
});

test("an output whose folder leads out, or whose claim is missing", async () => {
  const all = claims();
  symlinkSync("../other", all.at("thin", "folder"));
  writeFileSync(all.manifest, yaml({ output: ", path: folder/web.qcow2" }));
  await expectRunFails(all, "PathOutsideVolume", "folder");
  writeFileSync(all.manifest, yaml({ output: ", path: absent/web.qcow2" }));
  await expectRunFails(all, "OutputDirectoryMissing", "absent");
  writeFileSync(all.manifest, yaml().replace("claimName: thin", "claimName: nowhere"));
  await expectRunFails(all, "ImageNotFound", "nowhere");
});

test("a manifest that is missing, no YAML, of another kind, or a bomb", async () => {
  const all = claims();
  const bomb = `a: &a [x, x]\n${"bcdefghijklm"
    .split("")
    .map((letter, index) => `${letter}: &${letter} [${`*${"abcdefghijklm"[index]}, `.repeat(9)}]`)
    .join("\n")}\n`;
  for (const text of ["{ not: [yaml", "", "- a\n- b\n", "kind: Pod\n", bomb, "\u0000\u0001"]) {
    writeFileSync(all.manifest, text);
    await expectRunFails(all, "InvalidManifest", "");
  }
  await expectRunFails(
    { ...all, manifest: all.at("absent.yaml") },
    "InvalidManifest",
    "absent.yaml",
  );
});

test("--volume bounds every name that the command takes", async () => {
  const { scene, at } = claims();
  symlinkSync("../other/disk.img", at("web", "link.img"));
  const volumes = ["golden", "web", "thin"].flatMap((name) => ["--volume", at(name)]);
  const diff = (base: string, modified: string, output: string): string[] => [
    ...["diff", "--json", ...volumes, "-F", "raw", "-f", "raw", "-b", base, modified, output],
  ];
  const [base, modified, output] = [
    at("golden", "disk.img"),
    at("web", "disk.img"),
    at("thin", "o"),
  ];
  for (const args of [
    diff(at("other", "disk.img"), modified, output),
    diff(base, at("web", "link.img"), output),
    diff(base, `${at("web")}/../other/disk.img`, output),
    diff(base, modified, at("other", "o")),
    diff(base, modified, `${at("thin")}/../o`),
  ]) {
    await expectRefusal(scene, args, { reason: "PathOutsideVolume", says: [/outside/] });
  }
  await expectRefusal(
    scene,
    ["diff", "--json", "--volume", at("absent"), "-b", base, modified, output],
    {
      reason: "ImageNotFound",
      says: ["absent", "volume"],
    },
  );
  expect(await scene.run(diff(base, modified, output))).toMatchObject({ exitCode: 0 });
});
