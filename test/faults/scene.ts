/** A folder with a base and a changed copy of it, watched for what a run leaves behind. */
import { createHash, randomUUID } from "node:crypto";
import {
  lstatSync,
  mkdirSync,
  openSync,
  closeSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { reasons, type Reason } from "../../src/report/reasons.ts";
import type { FailureReport } from "../../src/report/schema.ts";
import { failureOf, launcher, startCommand, type Ended } from "../support/command.ts";
import { testFolder } from "../support/folder.ts";

export const MiB = 2 ** 20;
const MARK = "IMAGEDIFF_TEST_MARK";

export interface SceneRun {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  input?: string;
  /** A command that starts the launcher, such as setpriv with its arguments. */
  by?: readonly string[];
}

export interface Expected extends SceneRun {
  reason: Reason;
  /** What the sentence must say: the file's name, and what to do. */
  says: ReadonlyArray<string | RegExp>;
}

export class Scene {
  readonly folder: string;
  readonly base: string;
  readonly modified: string;
  readonly output: string;
  /** TMPDIR of every run: empty before and after. */
  readonly temporary: string;
  readonly #mark = randomUUID();

  /** @param size bytes of both disks. */
  constructor(size = 8 * MiB, folder = testFolder()) {
    this.folder = folder;
    this.base = join(folder, "base.raw");
    this.modified = join(folder, "modified.raw");
    this.output = join(folder, "overlay.qcow2");
    this.temporary = testFolder();
    disk(this.base, size, [[MiB, "base"]]);
    disk(this.modified, size, [
      [MiB, "base"],
      [3 * MiB, "changed"],
      [size - 512, "end"],
    ]);
    onTestFinished(() => {
      for (const pid of this.processes()) kill(pid, "SIGKILL");
    });
  }

  /** The arguments of a diff of the two raw disks, others first. */
  diff(...others: string[]): string[] {
    return [
      "diff",
      "--json",
      ...others,
      ...["-b", this.base, "-F", "raw", "-f", "raw", "--"],
      ...[this.modified, this.output],
    ];
  }

  start(args: readonly string[], options: SceneRun = {}): ReturnType<typeof startCommand> {
    const [program = launcher, ...others] = options.by ?? [];
    const before = options.by === undefined ? [] : [...others, launcher];
    return startCommand(program, [...before, ...args], {
      ...options,
      env: { TMPDIR: this.temporary, [MARK]: this.#mark, ...options.env },
    });
  }

  async run(args: readonly string[], options: SceneRun = {}): Promise<Ended> {
    return this.start(args, options).ended;
  }

  /** Every process that any run of this scene began, zombies left out. */
  processes(): number[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => {
        try {
          return readFileSync(`/proc/${pid}/environ`, "latin1").includes(this.#mark);
        } catch {
          return false;
        }
      });
  }

  /** Those of one program. */
  processesOf(program: string): number[] {
    return this.processes().filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/comm`, "utf8").trim() === program;
      } catch {
        return false;
      }
    });
  }
}

/** A run that must do its work, and leave nothing but its output. */
export async function expectSuccess(
  scene: Scene,
  args: readonly string[],
  options: SceneRun = {},
): Promise<Ended> {
  const ended = await scene.run(args, options);
  expect(ended).toMatchObject({ exitCode: 0 });
  expectNothingLeft(scene);
  return ended;
}

/** A run that must fail, with this reason and in one sentence, and leave all as it was. */
export async function expectRefusal(
  scene: Scene,
  args: readonly string[],
  expected: Expected,
): Promise<FailureReport> {
  const before = contents(scene.folder);
  const ended = await scene.run(args, expected);
  const failure = expectFailure(ended, expected);
  expect(contents(scene.folder)).toEqual(before);
  expectNothingLeft(scene);
  return failure;
}

/** Neither a process of the runs nor a temporary file is there any more. */
export function expectNothingLeft(scene: Scene): void {
  expect(readdirSync(scene.temporary)).toEqual([]);
  expect(readdirSync(scene.folder).filter((name) => name.includes("partial"))).toEqual([]);
  expect(scene.processes()).toEqual([]);
}

export function expectFailure(ended: Ended, expected: Expected): FailureReport {
  expect(`${ended.stdout}${ended.stderr}`).not.toMatch(/^\s+at |node:internal|Node\.js v/m);
  const failure = failureOf(ended);
  expect(failure).toMatchObject({ reason: expected.reason });
  expect(failure.exitCode).toBe(ended.exitCode);
  expect(ended).toMatchObject({ exitCode: reasons[expected.reason], signal: null });
  for (const words of expected.says) expect(failure.message).toMatch(words);
  expect(failure.message).toMatch(/^\S.*[.)]$/);
  expect(ended.stderr).toBe(`imagediff: ${failure.message} [${failure.reason}]\n`);
  return failure;
}

/** Writes a sparse file that holds these words at these offsets, each filling 4096 bytes or less. */
export function disk(path: string, size: number, words: ReadonlyArray<[number, string]>): void {
  writeFileSync(path, "");
  truncateSync(path, size);
  for (const [offset, word] of words) {
    const bytes = Buffer.alloc(Math.min(4096, size - offset), word);
    patch(path, offset, bytes);
  }
}

/** Overwrites bytes of a file. */
export function patch(path: string, offset: number, bytes: Buffer | string): void {
  const fd = openSync(path, "r+");
  const buffer = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
  writeSync(fd, buffer, 0, buffer.length, offset);
  closeSync(fd);
}

/** Everything in a folder: kinds, modes, sizes, times and bytes. */
export function contents(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, encoding: "utf8" }).toSorted();
  return Object.fromEntries(
    entries.map((name) => {
      const path = join(folder, name);
      const stats = lstatSync(path, { bigint: true });
      const facts = `${stats.mode.toString(8)} ${stats.ino}`;
      if (stats.isSymbolicLink()) return [name, `${facts} -> ${readlinkSync(path)}`];
      if (!stats.isFile()) return [name, facts];
      const sum = createHash("sha1").update(readFileSync(path)).digest("hex");
      return [name, `${facts} ${stats.size} ${stats.mtimeNs} ${sum}`];
    }),
  );
}

/** Waits until the condition holds: for what happens in another process. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited for a minute until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended on its own.
  }
}

export function makeFolder(parent: string, name: string): string {
  const path = join(parent, name);
  mkdirSync(path);
  return path;
}
