/** Ctrl-C and a pod's end: everything stops within a second, and leaves nothing. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { must } from "../support/command.ts";
import { contents, expectNothingLeft, kill, Scene, until } from "./scene.ts";
import { storage } from "./storage.ts";

const signals = [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const;

async function expectStopped(
  scene: Scene,
  args: readonly string[],
  ready: () => boolean,
  [signal, exitCode]: readonly ["SIGINT" | "SIGTERM", number],
  before = contents(scene.folder),
): Promise<void> {
  const { child, ended } = scene.start(args);
  await until(ready, "the run has begun");
  const at = performance.now();
  kill(child.pid ?? 0, signal);
  const end = await ended;
  expect(performance.now() - at).toBeLessThan(1000);
  expect(end).toMatchObject({ exitCode, signal: null });
  expect(contents(scene.folder)).toEqual(before);
  await until(() => scene.processes().length === 0, "no process is left");
  expectNothingLeft(scene);
}

const isWriting = (scene: Scene) => (): boolean =>
  readdirSync(scene.folder).some((name) => name.endsWith("partial"));

describe.each(signals)("%s", (...signal) => {
  test("while raw storage hangs", async () => {
    const scene = new Scene();
    const slow = await storage(scene.base);
    await slow.pause();
    const args = scene.diff().map((arg) => (arg === scene.base ? slow.path : arg));
    await expectStopped(scene, args, isWriting(scene), signal);
  });

  test("while a reader hangs", async () => {
    const scene = new Scene();
    const image = join(scene.folder, "modified.qcow2");
    await must("qemu-img", ["convert", "-O", "qcow2", scene.modified, image]);
    const before = contents(scene.folder);
    const args = ["-b", scene.base, "-F", "raw", "-f", "qcow2", image, scene.output];
    const stopped = (): boolean => {
      const readers = scene.processesOf("qemu-nbd");
      for (const pid of readers) kill(pid, "SIGSTOP");
      return readers.length > 0;
    };
    await expectStopped(scene, ["diff", "--json", ...args], stopped, signal, before);
  });

  test("while a qed overlay is made, or an image restored", async () => {
    const scene = new Scene();
    const stopped = (): boolean => {
      const tools = scene.processesOf("qemu-img");
      for (const pid of tools) kill(pid, "SIGSTOP");
      return tools.length > 0;
    };
    await expectStopped(scene, scene.diff("-O", "qed"), stopped, signal);
    await scene.run(scene.diff());
    const restore = ["restore", "--json", scene.output, join(scene.folder, "restored")];
    await expectStopped(scene, restore, stopped, signal);
    expect(existsSync(join(scene.folder, "restored"))).toBe(false);
  });
});

test("a second signal changes nothing", async () => {
  const scene = new Scene();
  const slow = await storage(scene.base);
  await slow.pause();
  const args = scene.diff().map((arg) => (arg === scene.base ? slow.path : arg));
  const before = contents(scene.folder);
  const { child, ended } = scene.start(args);
  await until(isWriting(scene), "the run has begun");
  for (const signal of ["SIGTERM", "SIGTERM", "SIGINT"] as const) kill(child.pid ?? 0, signal);
  expect([130, 143]).toContain((await ended).exitCode);
  expect(contents(scene.folder)).toEqual(before);
  expectNothingLeft(scene);
});
