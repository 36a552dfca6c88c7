/** Flags that several subcommands share, and their values' way from words to the engine's terms. */
import { availableParallelism } from "node:os";
import { Option, type Command } from "commander";
import { formats, isFormat, type Format } from "../engine/image/format.ts";
import { parseOverlayOptions } from "../engine/overlay/options.ts";
import type { DiffRequest, RunOptions } from "../engine/request.ts";
import { quote } from "../engine/text.ts";
import { Failure } from "../report/reasons.ts";
import type { OutputFormat } from "../report/schema.ts";
import { outputFormats } from "../report/terms.ts";

export interface BasicFlags {
  json?: boolean;
  progress?: boolean;
  volume?: string[];
}

export interface RunFlags extends BasicFlags {
  workers: string;
  stallTimeout: string;
  trustHoles: boolean;
}

/** For flags that may be given more than once. */
export const collect = (value: string, previous: string[] = []): string[] => [...previous, value];

/** More readers than this gain nothing: the page cache and one disk are then the limit. */
const MOST_DEFAULT_WORKERS = 4;

/** The flags of every subcommand that works for a while. */
export function addBasicFlags(command: Command): Command {
  return command
    .option("-p, --progress", "show a progress bar on standard error")
    .option("--json", "print the report, and progress, as JSON lines on standard output")
    .option(
      "--volume <dir>",
      "use only files that lie in <dir>, after all symbolic links (repeatable)",
      collect,
    );
}

/** The flags of every subcommand that compares images. */
export function addRunFlags(command: Command): Command {
  const workers = Math.min(availableParallelism(), MOST_DEFAULT_WORKERS);
  return addBasicFlags(command)
    .option("--workers <n>", "threads that read and compare, 1 to 64", String(workers))
    .option("--stall-timeout <seconds>", "give a reader up that does not answer for so long", "120")
    .option(
      "--no-trust-holes",
      "read every byte, also where the filesystem says that there is a hole",
    );
}

/** What `-o help` and `-o '?'` come to: they need nothing else to be answered. */
export class OptionsAsked extends Error {}

function collectOptions(value: string, previous: string[] | undefined): string[] {
  if (value === "help" || value === "?") throw new OptionsAsked();
  return collect(value, previous);
}

export interface OverlayFlags extends RunFlags {
  b?: string;
  F?: string;
  f?: string;
  O: string;
  o?: string[];
  c?: boolean;
  backingFile?: string;
  requireBacking?: boolean;
  allowSizeDifference?: boolean;
  reportFile?: string;
}

/** The flags that decide what an overlay holds: qemu-img's letters. */
export function addOverlayFlags(command: Command): Command {
  return command
    .option(
      "-b <backing_file>",
      "the base: the image that the other is a changed copy of (required)",
    )
    .option("-F <backing_fmt>", `format of the base: ${formats.join(", ")}; detected if not given`)
    .option("-f <fmt>", "format of the changed image; detected if not given")
    .addOption(
      new Option("-O <output_fmt>", "format of the overlay: qcow2 or qed").default("qcow2"),
    )
    .option(
      "-o <options>",
      "options of the overlay, NAME=VALUE[,...]; '-o help' lists them",
      collectOptions,
    )
    .option("-c", "compress the overlay's data (qcow2 only)")
    .option(
      "--backing-file <name>",
      "record <name> as the backing file, in place of the base's own name",
    )
    .option("--require-backing", "fail unless that name leads from the output's folder to the base")
    .option(
      "--allow-size-difference",
      "let the two images have different sizes; the overlay gets that of the changed one",
    )
    .option(
      "--report-file <file>",
      "write the result to <file> as well, in at most 4096 bytes of JSON",
    );
}

export function parseFormat(flag: string, name: string | undefined): Format | undefined {
  if (name === undefined || isFormat(name)) return name;
  throw new Failure(
    "FormatNotSupported",
    `${flag}: ${quote(name)} is none of the formats that can be read: ${formats.join(", ")}.`,
  );
}

export function parseOutputFormat(name: string): OutputFormat {
  const format = outputFormats.find((known) => known === name);
  if (format !== undefined) return format;
  throw new Failure(
    "FormatNotSupported",
    `-O: ${quote(name)} cannot have a backing file here; the overlay's format is one of ${outputFormats.join(", ")}.`,
  );
}

/** All of a request but what is to be written: from the flags and the changed image's name. */
export function parseInputs(
  flags: OverlayFlags,
  filename: string,
): Omit<DiffRequest, "output" | "verification"> {
  if (flags.b === undefined || flags.b === "") {
    throw new Failure("InvalidUsage", "Which image is the base? Name it with -b BACKING_FILE.");
  }
  return {
    base: { path: flags.b, format: parseFormat("-F", flags.F) },
    modified: { path: filename, format: parseFormat("-f", flags.f) },
    options: parseOverlayOptions(parseOutputFormat(flags.O), flags.o ?? [], flags.c === true),
    backingFile: flags.backingFile,
    requireBacking: flags.requireBacking === true,
    allowSizeDifference: flags.allowSizeDifference === true,
    trustHoles: flags.trustHoles,
    run: parseRunFlags(flags),
  };
}

export function parseRunFlags(flags: RunFlags): RunOptions {
  return {
    volumes: flags.volume ?? [],
    workers: wholeNumber("--workers", flags.workers, 1, 64),
    stallSeconds: wholeNumber("--stall-timeout", flags.stallTimeout, 1, 86400),
  };
}

function wholeNumber(flag: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new Failure(
    "InvalidUsage",
    `${flag}: ${quote(text)} is not a whole number from ${least} to ${most}.`,
  );
}

/** Exactly the names that a subcommand takes. */
export function takeNames<const Wanted extends readonly string[]>(
  names: readonly string[],
  wanted: Wanted,
): { [Key in keyof Wanted]: string } {
  const usage = wanted.join(" ");
  if (names.length !== wanted.length) {
    const given = names.length === 0 ? "none" : names.map(quote).join(", ");
    throw new Failure(
      "InvalidUsage",
      `${wanted.length === 1 ? "One name is" : `${wanted.length} names are`} expected, ${usage}; given: ${given}. ` +
        "A name that begins with a dash goes after --.",
    );
  }
  const empty = names.indexOf("");
  if (empty >= 0) throw new Failure("InvalidUsage", `${wanted[empty]} is empty.`);
  return names as unknown as { [Key in keyof Wanted]: string };
}
