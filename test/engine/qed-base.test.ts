/** QED can record that its backing file is raw, but no other format. */
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { imagediff, must } from "../support/command.ts";
import { testFolder } from "../support/folder.ts";
import { edit, makeRaw } from "../support/raw-image.ts";

const SIZE = 2 ** 20;

test.each(["raw", "qcow2", "vdi"])(
  "what diff makes as qed over a base of %s, the other subcommands take",
  async (format) => {
    const folder = realpathSync(testFolder());
    const run = async (...args: string[]) => imagediff(args, { cwd: folder });
    for (const name of ["plain", "modified"])
      makeRaw(join(folder, name), SIZE, [{ start: 0, length: 99_999, fill: "text", seed: 1 }]);
    edit(join(folder, "modified"), SIZE, [{ start: 5000, length: 9, fill: "noise", seed: 2 }]);
    const formats = ["-f", "raw", "-O", format];
    await must("qemu-img", ["convert", ...formats, join(folder, "plain"), join(folder, "base")]);

    const args = ["-O", "qed", "-F", format, "-f", "raw", "-b", "base", "modified", "overlay"];
    expect(await run("diff", ...args)).toMatchObject({ exitCode: 0 });
    expect(await run("chain", "overlay")).toMatchObject({ exitCode: 0 });
    const against = ["-f", "raw", "--against", "modified"];
    expect(await run("verify", "overlay", ...against)).toMatchObject({ exitCode: 0 });
    expect(await run("restore", "overlay", "full")).toMatchObject({ exitCode: 0 });
  },
);
