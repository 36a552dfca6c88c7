/** Sources that somebody changes while they are read: the result would be of no moment. */
import { appendFileSync, readdirSync, renameSync, rmSync, truncateSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { must, startCommand } from "../support/command.ts";
import { pathWith } from "./programs.ts";
import { disk, expectFailure, expectNothingLeft, MiB, patch, Scene, until } from "./scene.ts";
import { storage } from "./storage.ts";

const changes: ReadonlyArray<readonly [string, (path: string) => void]> = [
  ["is written to", (path) => patch(path, 2 * MiB, "new")],
  ["is touched", (path) => utimesSync(path, new Date(), new Date())],
  ["grows", (path) => appendFileSync(path, Buffer.alloc(4096))],
  ["shrinks", (path) => truncateSync(path, 4 * MiB)],
  ["is emptied", (path) => truncateSync(path, 0)],
  ["is deleted", (path) => rmSync(path)],
  [
    "is replaced",
    (path) => {
      disk(`${path}.new`, 8 * MiB, [[0, "another"]]);
      renameSync(`${path}.new`, path);
    },
  ],
];

/** Runs while the other side's storage holds the run up, and changes this side meanwhile. */
async function changed(
  side: "base" | "modified",
  change: (path: string) => void,
  ...options: string[]
) {
  const scene = new Scene();
  const slowSide = side === "base" ? "modified" : "base";
  const slow = await storage(scene[slowSide]);
  await slow.pause();
  const args = scene.diff(...options).map((arg) => (arg === scene[slowSide] ? slow.path : arg));
  const { ended } = scene.start(args);
  const isWriting = (): boolean =>
    readdirSync(scene.folder).some((name) => name.endsWith("partial"));
  await until(isWriting, "the run has begun");
  change(scene[side]);
  await slow.resume();
  return { scene, ended: await ended };
}

describe.each(["base", "modified"] as const)("the %s", (side) => {
  test.each(changes)("%s", async (_, change) => {
    const { scene, ended } = await changed(side, change);
    expectFailure(ended, { reason: "SourceChanged", says: [`${side}.raw`, "run again"] });
    expect(readdirSync(scene.folder)).not.toContain("overlay.qcow2");
    expectNothingLeft(scene);
  });
});

test("a qed overlay, and one that is not verified, are no exception", async () => {
  for (const options of [["-O", "qed"], ["--verify", "none"], ["-c"]]) {
    const { ended } = await changed("modified", (path) => patch(path, 0, "new"), ...options);
    expectFailure(ended, { reason: "SourceChanged", says: ["modified.raw"] });
  }
});

test("a qcow2 image that a running machine writes to is not even begun with", async () => {
  const scene = new Scene();
  const image = join(scene.folder, "modified.qcow2");
  await must("qemu-img", ["convert", "-O", "qcow2", scene.modified, image]);
  const machine = startCommand("qemu-nbd", [
    "-f",
    "qcow2",
    "--socket",
    `${scene.temporary}.sock`,
    image,
  ]);
  try {
    const isLocked = async (): Promise<boolean> =>
      (await startCommand("qemu-img", ["check", "-f", "qcow2", image]).ended).exitCode !== 0;
    await until(isLocked, "qemu-nbd has the image");
    const args = ["-b", scene.base, "-F", "raw", "-f", "qcow2", image, scene.output];
    const ended = await scene.run(["diff", "--json", ...args]);
    expectFailure(ended, { reason: "SourceChanged", says: ["modified.qcow2", "writing"] });
    expect(readdirSync(scene.folder)).not.toContain("overlay.qcow2");
  } finally {
    machine.child.kill();
    await machine.ended;
    rmSync(`${scene.temporary}.sock`, { force: true });
  }
});

test("an overlay's base that changes while it is verified is told as that", async () => {
  const scene = new Scene();
  expect(await scene.run(scene.diff())).toMatchObject({ exitCode: 0 });
  const slow = await storage(scene.modified);
  await slow.pause();
  const args = ["verify", "--json", scene.output, "-f", "raw", "--against", slow.path];
  const { ended } = scene.start(args);
  const isReading = (): boolean => scene.processesOf("qemu-nbd").length > 0;
  await until(isReading, "the overlay is read");
  patch(scene.base, 2 * MiB, "new");
  await slow.resume();
  expectFailure(await ended, { reason: "SourceChanged", says: ["base.raw", "run again"] });
});

test("a change that nothing but the proof can see is a failed proof, though a check still runs", async () => {
  const scene = new Scene();
  const { modified } = scene;
  // Just before QEMU is to read the overlay, and without a trace.
  const change = `touch -r ${modified} ${modified}.time
    printf new | dd of=${modified} bs=1 seek=${2 * MiB} conv=notrunc status=none
    touch -r ${modified}.time ${modified}`;
  const path = await pathWith({
    "qemu-nbd": change,
    "qemu-img": '[ "$1" = check ] && exec sleep 600',
  });
  const ended = await scene.run(scene.diff(), { env: { PATH: path } });
  expectFailure(ended, { reason: "VerificationFailed", says: ["differ"] });
});
