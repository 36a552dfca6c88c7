/** Outputs that exist, cannot be made, or are the inputs. */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  readFileSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { must } from "../support/command.ts";
import { expectIdentical } from "../support/qemu.ts";
import { memoryFilesystem } from "./mounts.ts";
import {
  contents,
  expectRefusal,
  expectSuccess,
  makeFolder,
  Scene,
  type Expected,
} from "./scene.ts";

function into(scene: Scene, output: string, ...others: string[]): string[] {
  return [...scene.diff(...others).slice(0, -1), output];
}

const exists: Expected = { reason: "OutputExists", says: ["overlay.qcow2", "--force"] };

describe("an output that exists", () => {
  test("is kept, and replaced with --force", async () => {
    const scene = new Scene();
    writeFileSync(scene.output, "precious");
    await expectRefusal(scene, scene.diff(), exists);
    expect(readFileSync(scene.output, "utf8")).toBe("precious");
    await expectSuccess(scene, scene.diff("--force"));
    await expectIdentical(
      { path: scene.output, format: "qcow2" },
      { path: scene.modified, format: "raw" },
    );
  });

  test("is kept by a run with --force that fails", async () => {
    const scene = new Scene();
    writeFileSync(scene.output, "precious");
    writeFileSync(scene.base, "too short");
    await expectRefusal(scene, scene.diff("--force"), { reason: "SizeMismatch", says: [] });
  });

  test("is accepted with --accept-same where it has the very bytes, and only there", async () => {
    const scene = new Scene();
    await expectSuccess(scene, scene.diff("--accept-same"));
    const made = readFileSync(scene.output);
    const { ino } = lstatSync(scene.output);
    await expectSuccess(scene, scene.diff("--accept-same"));
    expect(lstatSync(scene.output).ino).toBe(ino);
    expect(readFileSync(scene.output)).toEqual(made);

    const last = made.length - 1;
    for (const other of [
      made.with(last, (made.at(last) ?? 0) ^ 1),
      made.subarray(0, last),
      Buffer.concat([made, Buffer.of(0)]),
      Buffer.alloc(0),
    ]) {
      writeFileSync(scene.output, other);
      await expectRefusal(scene, scene.diff("--accept-same"), exists);
      expect(readFileSync(scene.output)).toEqual(Buffer.from(other));
    }
  });

  test("with --accept-same: a symbolic link is no overlay", async () => {
    const scene = new Scene();
    await expectSuccess(scene, scene.diff());
    const target = join(scene.folder, "target");
    copyFileSync(scene.output, target);
    unlinkSync(scene.output);
    symlinkSync("target", scene.output);
    await expectRefusal(scene, scene.diff("--accept-same"), exists);
  });

  test("as a symbolic link: the link counts, never what it leads to", async () => {
    const scene = new Scene();
    const target = join(scene.folder, "target");
    symlinkSync("target", scene.output);
    await expectRefusal(scene, scene.diff(), exists);
    writeFileSync(target, "precious");
    await expectRefusal(scene, scene.diff(), exists);
    await expectSuccess(scene, scene.diff("--force"));
    expect(lstatSync(scene.output).isFile()).toBe(true);
    expect(readFileSync(target, "utf8")).toBe("precious");
  });

  test("as a folder, a named pipe or a device, is never replaced", async () => {
    const scene = new Scene();
    const folder = makeFolder(scene.folder, "folder");
    const pipe = join(scene.folder, "pipe");
    await must("mkfifo", [pipe]);
    for (const output of [folder, `${folder}/`, `${folder}/.`, `${folder}/..`, pipe, "/dev/null"]) {
      await expectRefusal(scene, into(scene, output, "--force"), {
        reason: "OutputNotWritable",
        says: [output, "not a regular file"],
      });
    }
  });
});

test("an output that is an input: by name, hard link or symbolic link, also with --force", async () => {
  const scene = new Scene();
  const hard = join(scene.folder, "hard.raw");
  linkSync(scene.modified, hard);
  const soft = join(scene.folder, "soft.raw");
  symlinkSync("base.raw", soft);
  for (const output of [scene.base, scene.modified, hard, soft]) {
    for (const force of [[], ["--force"]]) {
      await expectRefusal(scene, into(scene, output, ...force), {
        reason: "SameImage",
        says: [output, "input", "another name"],
      });
    }
  }
});

test("an output that is deep in the base's backing chain", async () => {
  const scene = new Scene();
  const middle = join(scene.folder, "middle.qcow2");
  await must("qemu-img", [
    ...["create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", middle],
  ]);
  const args = ["-b", middle, "-F", "qcow2", "-f", "raw", scene.modified, scene.base];
  await expectRefusal(scene, ["diff", "--json", "--force", ...args], {
    reason: "SameImage",
    says: ["base.raw"],
  });
});

test("a restored image that is the overlay or its base", async () => {
  const scene = new Scene();
  await expectSuccess(scene, scene.diff());
  for (const output of [scene.output, scene.base]) {
    await expectRefusal(scene, ["restore", "--json", "--force", scene.output, output], {
      reason: "SameImage",
      says: [output],
    });
  }
});

describe("an output's folder", () => {
  test("that is missing, or a file", async () => {
    const scene = new Scene();
    for (const folder of ["absent", "base.raw"]) {
      const output = join(scene.folder, folder, "overlay.qcow2");
      await expectRefusal(scene, into(scene, output), {
        reason: "OutputDirectoryMissing",
        says: [folder, "make it first"],
      });
    }
  });

  test("that is mounted read-only", async () => {
    const scene = new Scene();
    const folder = await memoryFilesystem("1M", "ro");
    await expectRefusal(scene, into(scene, join(folder, "overlay.qcow2")), {
      reason: "OutputNotWritable",
      says: ["overlay.qcow2", /read-only/],
    });
  });

  test("that this user may not write to, or not even enter", async () => {
    const scene = new Scene();
    const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    for (const path of [scene.folder, scene.temporary]) chownSync(path, 65534, 65534);
    for (const mode of [0o755, 0o700]) {
      const folder = makeFolder(scene.folder, `closed-${mode}`);
      chmodSync(folder, mode);
      await expectRefusal(scene, into(scene, join(folder, "overlay.qcow2")), {
        reason: "OutputNotWritable",
        says: ["overlay.qcow2", "user 65534, group 65534"],
        by: nobody,
      });
    }
  });
});

test("what stands in the place of a temporary file is removed, not followed", async () => {
  const scene = new Scene();
  const first = join(scene.folder, "first");
  const victim = join(scene.folder, "victim");
  writeFileSync(victim, "precious");
  await scene.run(into(scene, first));
  // Their names follow from the output's: 16 digits of its SHA-256.
  const digits = "a7937b64b8caa58f"; // of "first"
  for (const suffix of ["partial", "partial2"]) {
    const name = join(scene.folder, `.imagediff-${digits}.${suffix}`);
    symlinkSync("victim", name);
  }
  await expectSuccess(scene, into(scene, first, "--force", "-O", "qed"));
  expect(readFileSync(victim, "utf8")).toBe("precious");
  await must("qemu-img", ["check", "-f", "qed", first]);
});

describe("what the result is told to", () => {
  test("a report file that cannot be written is said, and the overlay is there", async () => {
    const scene = new Scene();
    const ended = await scene.run(scene.diff("--report-file", join(scene.folder, "no", "report")));
    expect(ended.stderr).toMatch(/^imagediff: .*no\/report.*\n$/);
    expect(ended).toMatchObject({ exitCode: 0 });
    expect(existsSync(scene.output)).toBe(true);
  });

  test("a report file that is an image of the run is never written", async () => {
    const scene = new Scene();
    const hard = join(scene.folder, "hard.raw");
    linkSync(scene.base, hard);
    for (const report of [scene.base, scene.modified, hard, scene.output]) {
      const before = contents(scene.folder);
      const ended = await expectSuccess(scene, scene.diff("--force", "--report-file", report));
      expect(ended.stderr).toMatch(/^imagediff: The report file .* holds something else\.\n$/);
      const { "overlay.qcow2": overlay, ...others } = contents(scene.folder);
      expect(overlay).toBeDefined();
      expect(before).toMatchObject(others);
      await must("qemu-img", ["check", scene.output]);
    }
  });

  test("standard output that nobody reads or that is full does not end the work", async () => {
    for (const to of ["/dev/full", `>(true)`]) {
      const scene = new Scene();
      const by = ["bash", "-c", `"$@" > ${to}`, "bash"];
      const ended = await scene.run(scene.diff(), { by });
      expect(ended.stderr).not.toMatch(/^\s+at /m);
      await expectIdentical(
        { path: scene.output, format: "qcow2" },
        { path: scene.modified, format: "raw" },
      );
    }
  });

  test("a failure is told by its exit code even where nobody hears it", async () => {
    const scene = new Scene();
    copyFileSync(scene.base, scene.output);
    const by = ["bash", "-c", `"$@" > /dev/full 2> /dev/full`, "bash"];
    expect(await scene.run(scene.diff(), { by })).toMatchObject({ exitCode: 3 });
  });
});
