/** Names that look like something else: to a shell, to an option parser, to QEMU. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { must, run } from "../support/command.ts";
import { expectIdentical } from "../support/qemu.ts";
import { expectNothingLeft, expectRefusal, Scene } from "./scene.ts";

const odd = [
  "two words",
  " leading and trailing ",
  "a,b=c,,d",
  "key=value",
  "proto:col",
  "nbd:localhost:10809",
  "json:{}",
  'json:{"driver":"null-co"}',
  "file:x",
  "new\nline",
  "tab\tand\\backslash",
  "-dash",
  "--force",
  "-o help",
  "'single' \"double\" `back`",
  "$HOME $(reboot) %s * ? [x]",
  "Größe-диск-磁盘-💾",
  "e\u0301 decomposed",
  "\u0001control\u007f",
  "x".repeat(255),
  "й".repeat(127),
];

/** The folder, and in it images, all by that name or ones that begin with it. */
async function placed(name: string, format: "qcow2" | "qed") {
  const scene = new Scene();
  const folder = join(scene.folder, name);
  mkdirSync(folder);
  const suffixed = (suffix: string): string =>
    Buffer.byteLength(name) > 200 ? `${name.slice(0, 100)}${suffix}` : `${name}${suffix}`;
  const base = suffixed("b");
  const modified = suffixed("m");
  renameSync(scene.base, join(folder, base));
  renameSync(scene.modified, join(folder, modified));
  const args = ["diff", "--json", "-O", format, "-F", "raw", "-f", "raw", `-b${base}`];
  return { scene, folder, base, modified, args };
}

describe.each(["qcow2", "qed"] as const)("%s", (format) => {
  test.each(odd)("%j as base, modified, output and folder", async (name) => {
    const { scene, folder, base, modified, args } = await placed(name, format);
    const ended = await scene.run([...args, "--", modified, name], { cwd: folder });
    expect(ended).toMatchObject({ exitCode: 0 });
    expectNothingLeft(scene);
    // From elsewhere and by an absolute name: QEMU must find the base beside the overlay.
    await expectIdentical(
      { path: join(folder, name), format },
      { path: join(folder, modified), format: "raw" },
    );
    const info = await must("qemu-img", ["info", "--output=json", join(folder, name)]);
    const recorded = (JSON.parse(info) as Record<string, string>)["backing-filename"] ?? "";
    expect([base, `./${base}`]).toContain(recorded);
    const chain = await scene.run(["chain", "--json", "--", name], { cwd: folder });
    expect(chain).toMatchObject({ exitCode: 0 });
  });
});

test("an output's name of more than 255 bytes", async () => {
  const scene = new Scene();
  const long = join(scene.folder, "x".repeat(256));
  await expectRefusal(scene, [...scene.diff().slice(0, -1), long], {
    reason: "OutputNotWritable",
    says: ["too long"],
  });
});

test("a base so deep that its name does not fit into the overlay", async () => {
  const scene = new Scene();
  const deep = join(scene.folder, ...Array.from({ length: 5 }, () => "d".repeat(250)));
  mkdirSync(deep, { recursive: true });
  const base = join(deep, "base.raw");
  renameSync(scene.base, base);
  const args = ["diff", "--json", "-F", "raw", "-f", "raw", "-b", base];
  await expectRefusal(scene, [...args, scene.modified, scene.output], {
    reason: "BackingFileRefused",
    says: ["1023", "--backing-file"],
  });
  const beside = await scene.run(
    ["diff", "--json", "-F", "raw", "-f", "raw", "-b", "base.raw", scene.modified, "overlay"],
    { cwd: deep },
  );
  expect(beside).toMatchObject({ exitCode: 0 });
});

test("a name that is no UTF-8 is not found, rather than taken for another", async () => {
  // Node hands its arguments over as text: such a name never reaches the program unharmed.
  const scene = new Scene();
  const shell = `printf '\\377bad' | xargs -0 -I{} sh -c 'cp "$1" "$2/$3"; echo' sh ${scene.base} ${scene.folder} {}`;
  await must("sh", ["-c", shell]);
  const command = `exec "$0" diff --json -F raw -f raw -b "$(printf '%s/\\377bad' "$1")" "$2" "$3"`;
  const by = ["sh", "-c", command];
  const { stdout } = await run("readlink", ["-f", "bin/imagediff"]);
  const args = [...by, stdout.trim(), scene.folder, scene.modified, scene.output];
  const ended = await run(args[0] ?? "", args.slice(1));
  expect(ended.exitCode).toBe(3);
  expect(ended.stdout).toContain("ImageNotFound");
});

test("a report and a message stay one line each, whatever the name", async () => {
  const scene = new Scene();
  const name = join(scene.folder, "new\nline\u001b[31m");
  writeFileSync(name, "");
  const ended = await scene.run([...scene.diff().slice(0, -1), name]);
  expect(ended.stderr.split("\n")).toHaveLength(2);
  expect(ended.stderr).not.toContain("\u001b");
});
