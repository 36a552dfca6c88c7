/** The report file fits into a container's termination message, whatever the names are. */
import { mkdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { must } from "../support/command.ts";
import type { Line } from "../../src/report/schema.ts";
import { Scene } from "./scene.ts";

function report(path: string): Line {
  expect(statSync(path).size).toBeLessThanOrEqual(4096);
  return JSON.parse(readFileSync(path, "utf8")) as Line;
}

/** A scene moved into folders whose names are as long as they can be. */
function deepScene(letter: string): { scene: Scene; folder: string } {
  const scene = new Scene();
  const name = letter.repeat(Math.floor(255 / Buffer.byteLength(letter)));
  const folder = join(scene.folder, ...Array.from({ length: 12 }, () => name));
  mkdirSync(folder, { recursive: true });
  for (const file of ["base.raw", "modified.raw"]) {
    renameSync(join(scene.folder, file), join(folder, file));
  }
  return { scene, folder };
}

test.each(["x", '"', "\\", "\n", "é", "💾"])("a long chain in folders of %j", async (letter) => {
  const { scene, folder } = deepScene(letter);
  const cwd = folder;
  for (let index = 0; index < 20; index++) {
    const [backing, format] = index === 0 ? ["base.raw", "raw"] : [`link${index - 1}`, "qcow2"];
    const args = ["create", "-q", "-u", "-f", "qcow2", "-b", backing, "-F", format];
    await must("qemu-img", [...args, `link${index}`, "8M"], { cwd });
  }
  const file = join(scene.folder, "report");
  const args = ["--report-file", file, "-F", "qcow2", "-f", "raw", "-b", "link19"];
  const ended = await scene.run(["diff", ...args, "modified.raw", "overlay"], { cwd });
  expect(ended).toMatchObject({ exitCode: 0 });
  const result = report(file);
  expect(result).toMatchObject({ type: "result", backingChainTruncated: true });
});

test("a failure about long names keeps its reason", async () => {
  const { scene, folder } = deepScene("\u0001");
  const file = join(scene.folder, "report");
  const args = ["-F", "raw", "-f", "raw", "-b", join(folder, "base.raw"), join(folder, "absent")];
  const ended = await scene.run(["diff", "--report-file", file, ...args, scene.output]);
  expect(ended.exitCode).toBe(3);
  expect(report(file)).toMatchObject({ type: "failure", reason: "ImageNotFound" });
});

test("an older, longer report is replaced whole", async () => {
  const scene = new Scene();
  const file = join(scene.folder, "report");
  await scene.run(scene.diff("--report-file", file));
  const first = statSync(file).size;
  await scene.run(scene.diff("--report-file", file));
  expect(statSync(file).size).toBeLessThan(first);
  expect(report(file)).toMatchObject({ reason: "OutputExists" });
});
