/** Runs that are killed at any moment: no half overlay, and the next run makes all well. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { must } from "../support/command.ts";
import { contents, disk, expectSuccess, kill, MiB, Scene, until } from "./scene.ts";

/** A run with some of everything: qcow2 read by QEMU, many changes, full verification. */
async function busyScene(): Promise<{ scene: Scene; args: string[] }> {
  const scene = new Scene(32 * MiB);
  disk(
    scene.modified,
    32 * MiB,
    Array.from({ length: 160 }, (_, index) => [index * 3 * 65536, `change ${index}`]),
  );
  const image = join(scene.folder, "modified.qcow2");
  await must("qemu-img", ["convert", "-O", "qcow2", scene.modified, image]);
  const args = ["-b", scene.base, "-F", "raw", "-f", "qcow2", image, scene.output];
  return { scene, args: ["diff", "--json", ...args] };
}

/** The output is not there, or it is whole. */
function expectNothingOr(right: Buffer, output: string): void {
  const there = existsSync(output) ? readFileSync(output) : right;
  expect(there.equals(right)).toBe(true);
}

/** Waits for the processes that the run started: they end with it, but not in the same instant. */
async function expectNoProcess(scene: Scene): Promise<void> {
  await until(() => scene.processes().length === 0, "no process is left");
}

test("killed at fifty moments, spread over a whole run", { timeout: 400_000 }, async () => {
  const { scene, args } = await busyScene();
  const started = performance.now();
  await expectSuccess(scene, args);
  let duration = performance.now() - started;
  const right = readFileSync(scene.output);
  rmSync(scene.output);
  const inputs = contents(scene.folder);
  let killed = 0;
  for (let index = 0; index < 50; index++) {
    const begun = performance.now();
    const { child, ended } = scene.start(args);
    // The moment is what is tested here: nothing is waited for.
    const timer = setTimeout(() => child.kill("SIGKILL"), (duration * index) / 48);
    const { signal } = await ended;
    clearTimeout(timer);
    if (signal === "SIGKILL") killed += 1;
    // Other work on the machine may have held the first one up.
    else duration = Math.min(duration, performance.now() - begun);
    await expectNoProcess(scene);
    expectNothingOr(right, scene.output);
    if (index % 5 === 4) {
      await expectSuccess(scene, [...args, "--force"]);
      expectNothingOr(right, scene.output);
    }
    rmSync(scene.output, { force: true });
  }
  expect(killed).toBeGreaterThan(30);
  await expectSuccess(scene, args);
  rmSync(scene.output);
  expect(contents(scene.folder)).toEqual(inputs);
});

describe("killed, then run again", () => {
  test.each([
    ["a qed overlay", ["-O", "qed"]],
    ["a compressed overlay", ["-c"]],
  ])("%s", async (_, options) => {
    const { scene, args } = await busyScene();
    const all = [...args.slice(0, 1), ...options, ...args.slice(1)];
    const started = performance.now();
    await expectSuccess(scene, all);
    const duration = performance.now() - started;
    for (const share of [0.5, 0.7, 0.8, 0.9]) {
      rmSync(scene.output, { force: true });
      const { child, ended } = scene.start(all);
      const timer = setTimeout(() => child.kill("SIGKILL"), duration * share);
      await ended;
      clearTimeout(timer);
      await expectNoProcess(scene);
    }
    // Another format: what the qed run left must not stay.
    await expectSuccess(scene, [...args, "--force"]);
  });

  test("a restored image", async () => {
    const { scene, args } = await busyScene();
    await expectSuccess(scene, args);
    const restored = join(scene.folder, "restored.raw");
    const restore = ["restore", "--json", scene.output, restored];
    const isWriting = (): boolean => scene.processesOf("qemu-img").length > 0;
    const { child, ended } = scene.start(restore);
    await until(isWriting, "qemu-img writes");
    kill(child.pid ?? 0, "SIGKILL");
    await ended;
    await expectNoProcess(scene);
    expect(existsSync(restored)).toBe(false);
    await expectSuccess(scene, restore);
    await must("cmp", [restored, scene.modified]);
  });
});
