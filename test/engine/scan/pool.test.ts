/**
 * Node aborts the whole process where a thread ends while koffi's native code is set up in it,
 * which happened to one run of five or ten. Each test makes many runs in a process of its own.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "../../support/command.ts";
import { runDiff } from "../../support/engine.ts";
import { testFolder } from "../../support/folder.ts";
import { edit, makeRaw } from "../../support/raw-image.ts";

const MIB = 2 ** 20;

const moduleAt = (path: string): string =>
  JSON.stringify(new URL(`../../../${path}`, import.meta.url).href);

async function expectToEnd(folder: string, program: string): Promise<void> {
  const path = join(folder, "program.mjs");
  writeFileSync(path, program);
  const ended = await run(process.execPath, [path]);
  expect(ended).toMatchObject({ exitCode: 0, signal: null });
}

test("a run may end while most of its workers still start", { timeout: 60_000 }, async () => {
  const folder = testFolder();
  const [base, modified] = [join(folder, "base"), join(folder, "modified")];
  makeRaw(base, 4096);
  makeRaw(modified, 4096, [{ start: 0, length: 1, fill: "noise", seed: 1 }]);
  const images = JSON.stringify({ base, modified });
  await expectToEnd(
    folder,
    `import { runDiff } from ${moduleAt("test/support/engine.ts")};
    for (let count = 0; count < 15; count++) await runDiff({ ...${images}, workers: 7 });`,
  );
});

test(
  "a run may fail while most of its workers still open images",
  { timeout: 60_000 },
  async () => {
    const folder = testFolder();
    const [base, modified] = [join(folder, "base"), join(folder, "modified")];
    const overlay = join(folder, "overlay");
    for (const path of [base, modified])
      makeRaw(path, 28 * MIB, [{ start: 0, length: 28 * MIB, fill: "text", seed: 1 }]);
    edit(modified, 28 * MIB, [{ start: 100, length: 1, fill: "noise", seed: 2 }]);
    await runDiff({ base, modified, output: overlay });
    // Every span differs now: whichever worker comes first fails.
    for (let start = 65536; start < 28 * MIB; start += 4 * MIB)
      edit(base, 28 * MIB, [{ start, length: 1, fill: "noise", seed: 3 }]);
    const request = JSON.stringify({
      overlay,
      modified: { path: modified, format: "raw" },
      trustHoles: true,
      volumes: [],
      run: { volumes: [], workers: 7, stallSeconds: 60 },
    });
    await expectToEnd(
      folder,
      `import { verifyOverlay } from ${moduleAt("src/engine/verify/verify-overlay.ts")};
    const listener = { signal: new AbortController().signal, onProgress: () => undefined };
    for (let count = 0; count < 15; count++) {
      const failure = await verifyOverlay(${request}, listener).catch((error) => error);
      if (failure?.reason !== "VerificationFailed") throw failure;
    }`,
    );
  },
);
