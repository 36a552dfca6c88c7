/** imagediff diff */
import { Option, type Command } from "commander";
import type { ExistingOutput } from "../engine/overlay/output-file.ts";
import type { DiffRequest } from "../engine/request.ts";
import { quote } from "../engine/text.ts";
import { Failure } from "../report/reasons.ts";
import type { VerificationLevel } from "../report/schema.ts";
import { verificationLevels } from "../report/terms.ts";
import {
  addOverlayFlags,
  addRunFlags,
  parseInputs,
  takeNames,
  type OverlayFlags,
} from "./flags.ts";
import { runSession, type CommandContext } from "./session.ts";
import { overlayInWords } from "./words.ts";

interface DiffFlags extends OverlayFlags {
  verify: string;
  force?: boolean;
  acceptSame?: boolean;
}

export function addDiff(program: Command, { voice, exit }: CommandContext): void {
  const command = program
    .command("diff")
    .summary("write an overlay that holds only what differs")
    .description(
      "Compares FILENAME with BACKING_FILE, of which it is a changed copy, and writes " +
        "OUTPUT_FILENAME: an overlay that holds only what differs, with BACKING_FILE as its " +
        "backing file. Neither image is written to; the output appears when it is complete.",
    )
    .argument("[names...]", "FILENAME OUTPUT_FILENAME")
    .usage("[options] -b BACKING_FILE FILENAME OUTPUT_FILENAME");
  addRunFlags(addOverlayFlags(command))
    .addOption(
      new Option(
        "--verify <level>",
        "what to prove before the overlay appears: none, metadata or full",
      ).default("full"),
    )
    .option("--force", "replace an existing OUTPUT_FILENAME")
    .option(
      "--accept-same",
      "succeed with an existing OUTPUT_FILENAME that has the very bytes that would be written",
    )
    .action(async (names: string[], flags: DiffFlags) => {
      exit(
        await runSession(
          voice,
          flags,
          async (listener) => {
            const request = parseDiff(names, flags);
            const { diff } = await import("../engine/diff.ts");
            return diff(request, listener);
          },
          overlayInWords,
        ),
      );
    });
}

function parseDiff(names: string[], flags: DiffFlags): DiffRequest {
  const [filename, output] = takeNames(names, ["FILENAME", "OUTPUT_FILENAME"]);
  return {
    ...parseInputs(flags, filename),
    output: { path: output, existing: parseExisting(flags) },
    verification: parseLevel(flags.verify),
  };
}

function parseExisting({ force = false, acceptSame = false }: DiffFlags): ExistingOutput {
  if (force && acceptSame) {
    throw new Failure("InvalidUsage", "--force and --accept-same exclude each other: give one.");
  }
  if (force) return "Replace";
  return acceptSame ? "AcceptSame" : "Refuse";
}

function parseLevel(name: string): VerificationLevel {
  const level = verificationLevels.find((known) => known === name);
  if (level !== undefined) return level;
  const known = verificationLevels.join(", ");
  throw new Failure("InvalidUsage", `--verify: ${quote(name)} is none of ${known}.`);
}
