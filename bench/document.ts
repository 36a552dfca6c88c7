/** Tables of measurements in docs/performance.md. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { fileURLToPath } from "node:url";

/** One line of a table. */
export interface Row {
  readonly name: string;
  /** Medians, in seconds or bytes. */
  readonly figures: string;
  /** What was measured, to compare with the aim. */
  readonly measured: string;
  readonly aim: string;
  readonly met: boolean;
}

export function verdict({ met }: Row): string {
  return met ? "met" : "missed";
}

export function table(rows: readonly Row[]): string {
  const head = "| case | measured | aim | | medians |\n| --- | --- | --- | --- | --- |\n";
  const lines = rows.map(
    (row) => `| ${row.name} | ${row.measured} | ${row.aim} | ${verdict(row)} | ${row.figures} |\n`,
  );
  return head + lines.join("");
}

export function machine(): string {
  const model = cpus()[0]?.model ?? "unknown processor";
  const memory = Math.round(totalmem() / 2 ** 30);
  // The rest of it names a build.
  const kernel = release().split(".", 2).join(".");
  return `${model}, ${availableParallelism()} cores, ${memory} GiB of memory; Linux ${kernel}`;
}

/** Replaces what stands between the marks of a command; the words around it are for people to write. */
export function writeMeasurements(command: string, document: string): void {
  const path = new URL("../docs/performance.md", import.meta.url);
  const [start, end] = [
    `<!-- measured by ${command} -->`,
    `<!-- end of the measurements by ${command} -->`,
  ];
  const text = readFileSync(path, "utf8");
  const [before, rest] = text.split(start);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) {
    throw new Error(`docs/performance.md lacks the marks of ${command}`);
  }
  writeFileSync(path, `${before}${start}\n\n${document}\n${end}${after}`);
  // As the formatter would have it, so that lint has nothing to say.
  execFileSync("oxfmt", [fileURLToPath(path)], { stdio: "ignore" });
}
