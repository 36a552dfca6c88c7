/** The demo runs to its end, and the documentation's commands work on what it leaves. */
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { projectFile } from "../../scripts/docs.ts";
import { launcher, run } from "../support/command.ts";
import { testFolder } from "../support/folder.ts";
import { expectClean, expectIdentical } from "../support/qemu.ts";
import { blocksOf, textOf } from "./texts.ts";

interface Example {
  command: string;
  /** The reason word of a failure that the text shows. */
  reason: string | undefined;
}

/** The commands on the demo's images that a text shows; those for a cluster are tried on one. */
function examplesIn(name: string): Example[] {
  return blocksOf(textOf(name), "console")
    .filter((block) => block.includes("web-01"))
    .flatMap((block) => block.split(/^\$ /m).slice(1))
    .map((example) => ({
      command: example.split("\n")[0] ?? "",
      reason: /\[(\w+)\]$/m.exec(example)?.[1],
    }))
    .filter(({ command }) => !command.startsWith("kubectl "));
}

test("npm run demo, and the examples of the documentation", async () => {
  const folder = testFolder();
  const demo = await run(projectFile("scripts/demo"), [folder]);
  if (demo.exitCode !== 0) throw new Error(demo.stdout + demo.stderr);
  for (const words of ["phase: Succeeded", "Images are identical.", "\nidentical\n", "== Done"]) {
    expect(demo.stdout).toContain(words);
  }
  expect(demo.stdout).toMatch(/^ {4}zeroBytes: [1-9]\d{6,}$/m);
  const overlay = join(folder, "thin-images/web-01.qcow2");
  await expectClean(overlay);
  await expectIdentical(
    { path: overlay, format: "qcow2" },
    { path: join(folder, "web-01-root/disk.img"), format: "raw" },
  );

  const estimate = projectFile("examples/estimate.yaml");
  const estimated = await run(launcher, ["run", "-f", estimate, "--volumes", folder]);
  expect(estimated).toMatchObject({ exitCode: 0, stderr: "" });

  const env = { PATH: `${dirname(launcher)}:${process.env["PATH"]}` };
  for (const text of ["README.md", "docs/report.md", "docs/command.md"]) {
    const examples = examplesIn(text);
    expect({ text, examples }).not.toEqual({ text, examples: [] });
    // The last text works on the overlay that the one before it has made.
    if (text !== "docs/command.md") rmSync(join(folder, "web-01.qcow2"), { force: true });
    for (const { command, reason } of examples) {
      const ended = await run("sh", ["-c", command], { cwd: folder, env });
      const told = /\[(\w+)\]\n$/.exec(ended.stderr)?.[1];
      const succeeded = ended.exitCode === 0;
      expect({ command, told, succeeded }).toEqual({
        command,
        told: reason,
        succeeded: reason === undefined,
      });
    }
  }
});

test("the demo leaves a folder alone that is not empty", async () => {
  const folder = testFolder();
  const first = await run("sh", [
    "-c",
    `touch ${folder}/mine && "$0" ${folder}`,
    projectFile("scripts/demo"),
  ]);
  expect(first.exitCode).toBe(2);
  expect(first.stderr).toContain("not empty");
});
