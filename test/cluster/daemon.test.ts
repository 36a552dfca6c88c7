import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { testFolder } from "../support/folder.ts";
import { startCommand } from "../support/command.ts";
import { Daemon } from "./daemon.ts";
import { eventually } from "./eventually.ts";

const source = fileURLToPath(new URL("daemon.ts", import.meta.url));

/** Whoever is dead may still wait for somebody to notice. */
function isAlive(pid: number): boolean {
  const path = `/proc/${pid}/stat`;
  return existsSync(path) && !/\) [ZX] /.test(readFileSync(path, "utf8"));
}

test("a program does not outlive the process that started it, however that ends", async () => {
  const log = join(testFolder(), "log");
  const script = `
    const { Daemon } = await import(${JSON.stringify(source)});
    const daemon = new Daemon("sleeper", "sleep", ["1000"], ${JSON.stringify(log)});
    console.log(daemon.pid);
    setInterval(() => undefined, 1000);
  `;
  const parent = startCommand(process.execPath, ["--input-type=module", "--eval", script]);
  const pid = await new Promise<number>((resolve) => {
    parent.child.stdout?.once("data", (text: string) => resolve(Number(text)));
  });
  expect(isAlive(pid)).toBe(true);

  parent.child.kill("SIGKILL");
  await parent.ended;

  await eventually(() => !isAlive(pid));
});

test("a program that does not start is an error with the end of its log", async () => {
  const args = ["-c", "echo the reason; exit 3"];
  const daemon = new Daemon("starter", "sh", args, join(testFolder(), "log"));

  await expect(daemon.ready(async () => false)).rejects.toThrow(
    /starter did not start: it ended with 3\..*\nthe reason$/,
  );
  await daemon.stop();
});
