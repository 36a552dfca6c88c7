import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "../../support/command.ts";
import { testFolder } from "../../support/folder.ts";
import { makeRaw } from "../../support/raw-image.ts";

const engine = new URL("../../support/engine.ts", import.meta.url).href;

// Node aborts the process where a thread ends while koffi's native code is loaded into it: about
// every fifth run did.
test("a run may end while most of its workers still start", { timeout: 60_000 }, async () => {
  const folder = testFolder();
  const [base, modified] = [join(folder, "base"), join(folder, "modified")];
  makeRaw(base, 4096);
  makeRaw(modified, 4096, [{ start: 0, length: 1, fill: "noise", seed: 1 }]);
  const program = join(folder, "program.mjs");
  writeFileSync(
    program,
    `import { runDiff } from ${JSON.stringify(engine)};
    for (let count = 0; count < 15; count++) {
      await runDiff({ ...${JSON.stringify({ base, modified })}, workers: 7 });
    }`,
  );
  const ended = await run(process.execPath, [program]);
  expect(ended).toMatchObject({ exitCode: 0, signal: null });
});
