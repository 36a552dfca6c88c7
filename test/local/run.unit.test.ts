import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { runLocally, type LocalOutcome, type LocalRun } from "../../src/local/run.ts";
import { Failure } from "../../src/report/reasons.ts";
import type { Line } from "../../src/report/schema.ts";
import { manifestWith } from "../api/manifests.ts";
import { comparing, mismatch, result } from "../operator/plan/lines.ts";

let volumesDir = "";

beforeEach(() => {
  volumesDir = realpathSync(mkdtempSync(join(tmpdir(), "imagediff-local-")));
  for (const claim of ["golden", "web-01-root", "thin-images"]) mkdirSync(join(volumesDir, claim));
});

afterEach(() => rmSync(volumesDir, { recursive: true }));

/** A run whose engine says these lines and ends with this code; also the engine's arguments. */
async function run(
  lines: Line[],
  exitCode: number,
  changes: Partial<LocalRun> = {},
): Promise<LocalOutcome & { argv: string[] | undefined }> {
  let argv: string[] | undefined;
  const outcome = await runLocally({
    manifestText: manifestWith({}),
    volumesDir,
    now: () => new Date("2030-01-02T03:04:05Z"),
    execute: (given, onLine) => {
      argv = given;
      for (const line of lines) onLine(line);
      return Promise.resolve(exitCode);
    },
    ...changes,
  });
  return { ...outcome, argv };
}

test("a run that works is Ready, and its resource can be printed", async () => {
  const { resource, status, exitCode, argv } = await run([comparing, result], 0);
  expect(exitCode).toBe(0);
  expect(status).toMatchObject({ phase: "Succeeded", attempts: 1 });
  expect(argv?.slice(-2)).toEqual([
    join(volumesDir, "web-01-root/disk.img"),
    join(volumesDir, "thin-images/web-01.qcow2"),
  ]);
  expect(resource.spec.verification).toBe("Full");
  expect(parse(stringify(resource))).toEqual(resource);
});

test("a claim that is not a folder is a Block claim", async () => {
  rmSync(join(volumesDir, "golden"), { recursive: true });
  writeFileSync(join(volumesDir, "golden"), "");
  const { argv } = await run([result], 0);
  expect(argv).toContain("--backing-file=../golden");
  expect(argv?.[argv.indexOf("-b") + 1]).toBe(join(volumesDir, "golden"));
});

test("the volumes may be given through a link", async () => {
  const link = `${volumesDir}-link`;
  symlinkSync(volumesDir, link);
  try {
    const { argv } = await run([result], 0, { volumesDir: link });
    expect(argv).toContain(join(volumesDir, "golden"));
  } finally {
    rmSync(link);
  }
});

test("the engine's failure is the status and the exit code", async () => {
  const { status, exitCode } = await run([comparing, mismatch], 3);
  expect(exitCode).toBe(3);
  expect(status).toMatchObject({ phase: "Failed", lastFailure: { reason: "SizeMismatch" } });
});

test("an engine that ends without a word has failed", async () => {
  const { status, exitCode } = await run([comparing], 0);
  expect(exitCode).toBe(1);
  expect(status.lastFailure?.reason).toBe("InternalError");
});

test("a failure that the engine throws is a status; any other error is thrown", async () => {
  const failing = (error: Error) => {
    return run([], 0, {
      execute: async () => {
        throw error;
      },
    });
  };
  const { status, exitCode } = await failing(new Failure("NoSpace", "full"));
  expect(exitCode).toBe(1);
  expect(status).toMatchObject({ phase: "Failed", lastFailure: { reason: "NoSpace" } });
  await expect(failing(new TypeError("a bug"))).rejects.toThrow("a bug");
});

test("a missing claim is named with its folder, and the engine is not started", async () => {
  rmSync(join(volumesDir, "web-01-root"), { recursive: true });
  const { status, exitCode, argv } = await run([], 0);
  expect(exitCode).toBe(3);
  expect(argv).toBeUndefined();
  expect(status.lastFailure?.reason).toBe("ImageNotFound");
  expect(status.lastFailure?.message).toContain(`claim web-01-root is not in ${volumesDir}`);
  expect(status).not.toHaveProperty("attempts");
});

test("a missing folder of claims is named", async () => {
  const { status } = await run([], 0, { volumesDir: join(volumesDir, "nowhere") });
  expect(status.lastFailure?.message).toContain(join(volumesDir, "nowhere"));
});

test("a bad manifest is thrown before anything is looked at", async () => {
  const manifestText = manifestWith({ "spec.mode": "Guess" });
  await expect(run([], 0, { manifestText })).rejects.toMatchObject({ reason: "InvalidManifest" });
});
