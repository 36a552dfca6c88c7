/**
 * `npm run bench`: measures the engine against qemu-img's create and rebase and against plain
 * reading, side by side in one run, and writes the table to docs/performance.md.
 *
 *   npm run bench -- [--runs N] [--folder DIR] [--no-write] [CASE ...]
 */
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as cases from "./cases.ts";
import type { Case } from "./cases.ts";
import { machine, table, verdict, writeMeasurements, type Row } from "./document.ts";
import { GIB } from "./images.ts";
import { runOnce } from "./measure.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: "string", default: "5" },
    folder: { type: "string", default: tmpdir() },
    "no-write": { type: "boolean", default: false },
  },
});

const all = new Map<string, Case>(Object.entries(cases));
const chosen = positionals.length === 0 ? [...all.keys()] : positionals;
const folder = mkdtempSync(join(values.folder, "imagediff-bench-"));
process.on("SIGINT", () => process.exit(130));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

runOnce([process.execPath, fileURLToPath(new URL("../scripts/build.ts", import.meta.url))]);
const rows: Row[] = [];
for (const name of chosen) {
  const measure = all.get(name);
  if (measure === undefined)
    throw new Error(`no case ${name}; there are ${[...all.keys()].join(", ")}`);
  const own = join(folder, name);
  mkdirSync(own);
  process.stderr.write(`${name} ...\n`);
  for (const row of await measure({ folder: own, runs: Number(values.runs) })) {
    rows.push(row);
    process.stderr.write(
      `  ${row.name}: ${row.measured} (${row.figures}), aim ${row.aim}: ${verdict(row)}\n`,
    );
  }
  rmSync(own, { recursive: true });
}
const document = `${table(rows)}\n${conditions()}`;
process.stdout.write(document);
if (!values["no-write"] && positionals.length === 0) writeMeasurements("npm run bench", document);

function conditions(): string {
  const qemu = runOnce(["qemu-img", "--version"]).split("\n")[0];
  const filesystem = runOnce(["stat", "-f", "-c", "%T", values.folder]).trim();
  const { bavail, bsize } = statfsSync(values.folder);
  const free = Math.round((bavail * bsize) / GIB);
  return [
    `Medians of ${values.runs} runs, the contestants in turn; ratios are medians of the runs' own ratios.`,
    `${machine()};`,
    `images on ${filesystem} (${free} GiB free); ${qemu}; Node ${process.version}.\n`,
  ].join("\n");
}
