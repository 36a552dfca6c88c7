/** Two runs that want the same output at the same time. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { failureOf, must } from "../support/command.ts";
import { expectClean, expectIdentical } from "../support/qemu.ts";
import { expectFailure, expectNothingLeft, kill, Scene, until } from "./scene.ts";
import { storage } from "./storage.ts";

test("one that comes while another writes is told so, and the other goes on", async () => {
  const scene = new Scene();
  const slow = await storage(scene.base);
  await slow.pause();
  const first = scene.start(scene.diff().map((arg) => (arg === scene.base ? slow.path : arg)));
  const isWriting = (): boolean =>
    readdirSync(scene.folder).some((name) => name.endsWith("partial"));
  await until(isWriting, "the first run writes");
  for (const options of [[], ["--force"], ["-O", "qed"]]) {
    const second = await scene.run(scene.diff(...options));
    expectFailure(second, { reason: "OutputBusy", says: [scene.output, "wait"] });
  }
  expect(isWriting()).toBe(true);
  await slow.resume();
  expect(await first.ended).toMatchObject({ exitCode: 0 });
  await expectIdentical(
    { path: scene.output, format: "qcow2" },
    { path: scene.modified, format: "raw" },
  );
  expectNothingLeft(scene);
});

test("what a killed run left is taken over while its storage still hangs", async () => {
  const scene = new Scene();
  const slow = await storage(scene.base);
  await slow.pause();
  const first = scene.start(scene.diff().map((arg) => (arg === scene.base ? slow.path : arg)));
  const leftover = (): boolean =>
    readdirSync(scene.folder).some((name) => name.endsWith("partial"));
  await until(leftover, "the first run writes");
  kill(first.child.pid ?? 0, "SIGKILL");
  await slow.resume();
  expect(await first.ended).toMatchObject({ signal: "SIGKILL" });
  expect(leftover()).toBe(true);
  expect(await scene.run(scene.diff())).toMatchObject({ exitCode: 0 });
  expectNothingLeft(scene);
});

test("of eight at once exactly one wins, with different images on each side", async () => {
  const scene = new Scene();
  const other = join(scene.folder, "other.raw");
  await must("cp", [scene.base, other]);
  const diffs = Array.from({ length: 8 }, (_, index) =>
    scene.diff().map((arg) => (arg === scene.modified && index % 2 === 1 ? other : arg)),
  );
  const ends = await Promise.all(diffs.map(async (args) => scene.run(args)));
  const winners = ends.flatMap((ended, index) => (ended.exitCode === 0 ? [index] : []));
  expect(winners).toHaveLength(1);
  for (const [index, ended] of ends.entries()) {
    if (index === winners[0]) continue;
    expect(["OutputBusy", "OutputExists"]).toContain(failureOf(ended).reason);
  }
  await expectClean(scene.output);
  const won = (winners[0] ?? 0) % 2 === 1 ? other : scene.modified;
  await expectIdentical({ path: scene.output, format: "qcow2" }, { path: won, format: "raw" });
  expectNothingLeft(scene);
});

test("an output that appears in mid-run is kept", async () => {
  const scene = new Scene();
  const slow = await storage(scene.base);
  await slow.pause();
  const run = scene.start(scene.diff().map((arg) => (arg === scene.base ? slow.path : arg)));
  await until(
    () => readdirSync(scene.folder).some((name) => name.endsWith("partial")),
    "it writes",
  );
  await must("cp", ["/etc/hostname", scene.output]);
  await slow.resume();
  expectFailure(await run.ended, { reason: "OutputExists", says: [scene.output] });
  await must("cmp", ["/etc/hostname", scene.output]);
  expectNothingLeft(scene);
});
