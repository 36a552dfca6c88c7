/** QEMU's programs when they are missing, die or hang. */
import { existsSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { must } from "../support/command.ts";
import { testFolder } from "../support/folder.ts";
import { pathWith } from "./programs.ts";
import {
  contents,
  expectFailure,
  expectNothingLeft,
  expectRefusal,
  expectSuccess,
  kill,
  Scene,
  until,
} from "./scene.ts";
import { storage } from "./storage.ts";

/** A scene whose modified image is qcow2, and the command that compares it. */
async function qcow2Scene(): Promise<{ scene: Scene; args: string[] }> {
  const scene = new Scene();
  const image = join(scene.folder, "modified.qcow2");
  await must("qemu-img", ["convert", "-O", "qcow2", scene.modified, image]);
  const args = ["-b", scene.base, "-F", "raw", "-f", "qcow2", image, scene.output];
  return { scene, args: ["diff", "--json", ...args] };
}

/** A PATH with all that a run uses but one program. */
async function pathWithout(program: string): Promise<string> {
  const bin = testFolder();
  const used = ["sh", "readlink", "uname", "mkdir", "setpriv", "prlimit", "qemu-img", "qemu-nbd"];
  for (const name of used.filter((other) => other !== program)) {
    symlinkSync((await must("which", [name])).trim(), join(bin, name));
  }
  return bin;
}

test.each(["qemu-nbd", "qemu-img", "setpriv", "prlimit"])("%s is missing", async (program) => {
  const { scene, args } = await qcow2Scene();
  await expectRefusal(scene, args, {
    reason: "ToolMissing",
    says: [program, "qemu-utils"],
    env: { PATH: await pathWithout(program) },
  });
});

test("raw images need QEMU for their proof alone", async () => {
  const scene = new Scene();
  const env = { PATH: await pathWithout("qemu-img") };
  await expectRefusal(scene, scene.diff(), {
    reason: "ToolMissing",
    says: ["qemu-img"],
    env,
  });
  expect(await scene.run(scene.diff("--verify", "none"), { env })).toMatchObject({ exitCode: 0 });
});

describe("a folder for the socket", () => {
  test("that does not exist", async () => {
    const { scene, args } = await qcow2Scene();
    const missing = join(scene.temporary, "missing");
    await expectRefusal(scene, args, {
      reason: "ReaderFailed",
      says: [missing, "TMPDIR"],
      env: { TMPDIR: missing },
    });
  });

  test("whose name is too long for one", async () => {
    const { scene, args } = await qcow2Scene();
    const long = join(scene.temporary, "x".repeat(100));
    mkdirSync(long);
    const ended = await scene.run(args, { env: { TMPDIR: long } });
    expectFailure(ended, { reason: "ReaderFailed", says: ["too long", "TMPDIR"] });
    expect(readdirSync(long)).toEqual([]);
  });
});

/**
 * A run that compares with a qcow2 image and has just begun: the base's storage holds it up
 * until `go`.
 */
async function heldUp(...options: string[]) {
  const { scene, args } = await qcow2Scene();
  const slow = await storage(scene.base);
  await slow.pause();
  const begun = args.map((arg) => (arg === scene.base ? slow.path : arg));
  const before = contents(scene.folder);
  const { ended, child } = scene.start([...begun.slice(0, 1), ...options, ...begun.slice(1)]);
  const isServing = (): boolean =>
    scene.processesOf("qemu-nbd").length > 0 &&
    scene.processesOf("qemu-img").length === 0 &&
    readdirSync(scene.temporary).some((name) => existsSync(join(scene.temporary, name, "pid")));
  await until(isServing, "qemu-nbd serves");
  const [reader = 0] = scene.processesOf("qemu-nbd");
  return { scene, ended, child, reader, before, go: slow.resume };
}

test("a reader that dies in the middle of a run", async () => {
  const { scene, ended, reader, before, go } = await heldUp();
  kill(reader, "SIGKILL");
  await go();
  const failure = expectFailure(await ended, {
    reason: "ReaderFailed",
    says: ["modified.qcow2", "qemu-nbd"],
  });
  expect(failure.message).not.toContain("undefined");
  expect(contents(scene.folder)).toEqual(before);
  expectNothingLeft(scene);
});

test("a reader that hangs in the middle of a run", async () => {
  const { scene, ended, reader, before, go } = await heldUp("--stall-timeout", "2");
  kill(reader, "SIGSTOP");
  await go();
  expectFailure(await ended, {
    reason: "ReaderStalled",
    says: ["modified.qcow2", "2 seconds"],
  });
  expect(contents(scene.folder)).toEqual(before);
  expectNothingLeft(scene);
});

test("a reader that hangs before it serves", async () => {
  const { scene, args } = await qcow2Scene();
  const { ended } = scene.start([...args, "--stall-timeout", "1"]);
  await until(() => scene.processesOf("qemu-nbd").length > 0, "qemu-nbd has started");
  for (const pid of scene.processesOf("qemu-nbd")) kill(pid, "SIGSTOP");
  expectFailure(await ended, { reason: "ReaderStalled", says: ["modified.qcow2", "1 second"] });
  expectNothingLeft(scene);
});

/** A PATH where `qemu-img check` of the image does something else first. */
async function pathWithCheck(first: string): Promise<string> {
  return pathWith({ "qemu-img": `[ "$1" = check ] && { ${first}; }` });
}

test("a check may take as long as it likes while it works", async () => {
  const { scene, args } = await qcow2Scene();
  const reads = "for i in $(seq 30); do read -r now < /proc/uptime; sleep 0.1; done";
  const path = await pathWithCheck(reads);
  await expectSuccess(scene, [...args, "--stall-timeout", "1"], { env: { PATH: path } });
});

test("a check that hangs is told as that", async () => {
  const { scene, args } = await qcow2Scene();
  await expectRefusal(scene, [...args, "--stall-timeout", "1"], {
    reason: "ReaderStalled",
    says: ["qemu-img check", "1 second"],
    env: { PATH: await pathWithCheck("exec sleep 600") },
  });
});
