/** The name that an overlay records for its base: QEMU must find the base by it. */
import { existsSync, mkdirSync, realpathSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { imagediff, must, run } from "../support/command.ts";
import { testFolder } from "../support/folder.ts";
import { chainInfo, expectClean } from "../support/qemu.ts";
import { edit, makeRaw } from "../support/raw-image.ts";

const SIZE = 2 ** 20 + 512;

/** A base of this name and its changed copy, in folders inside of `folder`. */
function makePair(folder: string, base: string): void {
  makeRaw(join(folder, base), SIZE, [{ start: 0, length: 300_000, fill: "noise", seed: 1 }]);
  makeRaw(join(folder, "modified"), SIZE, [{ start: 0, length: 300_000, fill: "noise", seed: 1 }]);
  edit(join(folder, "modified"), SIZE, [{ start: 70_000, length: 9, fill: "noise", seed: 2 }]);
}

async function diff(folder: string, base: string, output: string, more: string[] = []) {
  const args = ["-F", "raw", "-f", "raw", "-b", base, ...more];
  return imagediff(["diff", ...args, "--", "modified", output], { cwd: folder });
}

/** QEMU opens the overlay by its own name, from anywhere, and reads modified from it. */
async function expectOpens(folder: string, output: string, recorded: string): Promise<void> {
  const path = join(folder, output);
  const [top, next] = await chainInfo(path, "qcow2");
  expect(top).toMatchObject({ "backing-filename": recorded, "backing-filename-format": "raw" });
  expect(next?.format).toBe("raw");
  await expectClean(path);
  // Named through json:, so that no name of ours can be taken for options.
  const overlay = { driver: "qcow2", file: { driver: "file", filename: path } };
  await must("qemu-img", [
    ...["compare", "-F", "raw", `json:${JSON.stringify(overlay)}`],
    join(folder, "modified"),
  ]);
}

const names: Array<[name: string, recorded: string]> = [
  ["a base.img", "a base.img"],
  ["with,comma.img", "with,comma.img"],
  ["with,,two=commas.img", "with,,two=commas.img"],
  ["nbd:colon.img", "./nbd:colon.img"],
  ["json:{}", "./json:{}"],
  ["-leading-dash.img", "-leading-dash.img"],
  ["line\nbreak.img", "line\nbreak.img"],
  ["tab\tand 'quotes\".img", "tab\tand 'quotes\".img"],
  ["überall-日本語-🙂.img", "überall-日本語-🙂.img"],
  ["back\\slash%20.img", "back\\slash%20.img"],
  [" ", " "],
  ["~", "~"],
];

test.each(names)("a base called %o", async (name, recorded) => {
  const folder = testFolder();
  makePair(folder, name);
  expect(await diff(folder, name, "overlay")).toMatchObject({ exitCode: 0 });
  await expectOpens(folder, "overlay", recorded);
});

test.each(names)("a base and an output in folders called %o", async (name) => {
  const folder = testFolder();
  mkdirSync(join(folder, name));
  makePair(folder, join(name, "base"));
  const output = join(name, "overlay");
  expect(await diff(folder, join(name, "base"), output)).toMatchObject({ exitCode: 0 });
  await expectOpens(folder, output, "base");
});

test("a relative base is recorded relative to the output's own folder", async () => {
  const folder = testFolder();
  for (const made of ["golden", "thin/deep"]) mkdirSync(join(folder, made), { recursive: true });
  makePair(folder, "golden/base");
  const ended = await diff(folder, "golden/base", "thin/deep/overlay");
  expect(ended).toMatchObject({ exitCode: 0 });
  await expectOpens(folder, "thin/deep/overlay", "../../golden/base");
});

test("through a symbolic link to the output's folder", async () => {
  const folder = testFolder();
  for (const made of ["golden", "far/away"]) mkdirSync(join(folder, made), { recursive: true });
  symlinkSync("far/away", join(folder, "link"));
  makePair(folder, "golden/base");
  expect(await diff(folder, "golden/base", "link/overlay")).toMatchObject({ exitCode: 0 });
  await expectOpens(folder, "far/away/overlay", "../../golden/base");
});

test("a `..` after a symbolic link leads up from where the link points to", async () => {
  const folder = testFolder();
  for (const made of ["there/sub", "there/other", "elsewhere"])
    mkdirSync(join(folder, made), { recursive: true });
  symlinkSync("there/sub", join(folder, "link"));
  makePair(folder, "there/base");
  makeRaw(join(folder, "base"), SIZE, [{ start: 0, length: 300_000, fill: "noise", seed: 3 }]);
  expect(await diff(folder, "link/../base", "overlay")).toMatchObject({ exitCode: 0 });
  await expectOpens(folder, "overlay", "there/base");
  makePair(folder, "there/other/base");
  const ended = await diff(folder, "link/../other/base", "elsewhere/overlay");
  expect(ended).toMatchObject({ exitCode: 0 });
  await expectOpens(folder, "elsewhere/overlay", "../there/other/base");
});

test("--require-backing refuses a name that leads to another file than the base", async () => {
  const folder = testFolder();
  mkdirSync(join(folder, "elsewhere"));
  makePair(folder, "base");
  makePair(folder, "elsewhere/base");
  const named = ["--backing-file", "base"];
  const ended = await diff(folder, "base", "elsewhere/overlay", [...named, "--require-backing"]);
  expect(ended.exitCode).toBe(3);
  expect(ended.stderr).toContain("BackingFileRefused");
  expect(ended.stderr).toContain("leads to another file");
  expect(existsSync(join(folder, "elsewhere/overlay"))).toBe(false);
  // A copy of the base, say, for which the overlay is.
  expect(await diff(folder, "base", "elsewhere/overlay", named)).toMatchObject({ exitCode: 0 });
});

test("--require-backing refuses a name that leads nowhere", async () => {
  const folder = testFolder();
  makePair(folder, "base");
  const options = ["--require-backing", "--backing-file"];
  const ended = await diff(folder, "base", "overlay", [...options, "./away"]);
  expect(ended.exitCode).toBe(3);
  expect(ended.stderr).toContain("leads nowhere");
  expect(await diff(folder, "base", "overlay", [...options, "./base"])).toMatchObject({
    exitCode: 0,
  });
});

test("an absolute base stays absolute", async () => {
  const folder = realpathSync(testFolder());
  makePair(folder, "base");
  expect(await diff(folder, join(folder, "base"), "overlay")).toMatchObject({ exitCode: 0 });
  await expectOpens(folder, "overlay", join(folder, "base"));
});

test("--backing-file is recorded as it is", async () => {
  const folder = testFolder();
  mkdirSync(join(folder, "elsewhere"));
  makePair(folder, "base");
  const name = "../base";
  const ended = await diff(folder, "base", "elsewhere/overlay", ["--backing-file", name]);
  expect(ended).toMatchObject({ exitCode: 0 });
  await expectOpens(folder, "elsewhere/overlay", name);
});

test("--backing-file may name what is not there yet", async () => {
  const folder = testFolder();
  makePair(folder, "base");
  const name = "/volumes/golden/disk.img";
  const ended = await diff(folder, "base", "overlay", ["--backing-file", name]);
  expect(ended).toMatchObject({ exitCode: 0 });
  const info = await run("qemu-img", ["info", "--output=json", join(folder, "overlay")]);
  expect(JSON.parse(info.stdout)).toMatchObject({ "backing-filename": name });
});

test.each([
  ["", "empty"],
  ["nbd:unix:/tmp/socket", "protocol"],
  ["json:{}", "protocol"],
  [`/${"x".repeat(1023)}`, "1023"],
])("--backing-file %o is refused", async (name, why) => {
  const folder = testFolder();
  makePair(folder, "base");
  const ended = await diff(folder, "base", "overlay", [`--backing-file=${name}`]);
  expect(ended.exitCode).toBe(3);
  expect(ended.stderr).toContain("BackingFileRefused");
  expect(ended.stderr).toContain(why);
});

test("a name of 1023 bytes is recorded, if the clusters have room for it", async () => {
  const folder = testFolder();
  makePair(folder, "base");
  const name = `${"./".repeat(508)}.//base`;
  const small = ["--backing-file", name, "-o", "cluster_size=512"];
  expect(await diff(folder, "base", "overlay", small)).toMatchObject({ exitCode: 3 });
  const ended = await diff(folder, "base", "overlay", ["--backing-file", name]);
  expect(ended).toMatchObject({ exitCode: 0 });
  await expectOpens(folder, "overlay", name);
});
