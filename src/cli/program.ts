/** The whole command line: which subcommands there are, and what is wrong usage. */
import { Command, CommanderError } from "commander";
import { describeOptions } from "../engine/overlay/options.ts";
import { ExitCode, Failure } from "../report/reasons.ts";
import { addChain } from "./chain.ts";
import { addController } from "./controller.ts";
import { addDiff } from "./diff.ts";
import { addEstimate } from "./estimate.ts";
import { OptionsAsked, parseOutputFormat } from "./flags.ts";
import { addRestore } from "./restore.ts";
import { addRun } from "./run.ts";
import { fail, standardVoice, type Voice } from "./session.ts";
import { addVerify } from "./verify.ts";
import { VERSION } from "../version.ts";

/**
 * Runs one command line.
 * @param args without the program's own name.
 * @param voice where its words go; standard output and error unless told otherwise.
 * @returns the exit code.
 */
export async function runCommand(
  args: readonly string[],
  voice: Voice = standardVoice,
): Promise<number> {
  let exitCode: number = ExitCode.Done;
  const exit = (code: number): void => {
    exitCode = code;
  };
  const program = new Command("imagediff")
    .description(
      "Turns a full copy of a disk image into a thin overlay over its base, and back. " +
        "Exit codes: 0 done; 1 failed, trying again may help; 2 wrong usage; 3 the input can " +
        "never work; 4 the overlay did not verify; 128 + N stopped by signal N.",
    )
    .version(`imagediff ${VERSION}`, "--version", "say which version this is")
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .showSuggestionAfterError();
  for (const add of [
    addDiff,
    addEstimate,
    addVerify,
    addChain,
    addRestore,
    addRun,
    addController,
  ]) {
    add(program, { voice, exit });
  }
  for (const command of program.commands) command.copyInheritedSettings(program);

  const json = args.includes("--json");
  try {
    try {
      await program.parseAsync(args, { from: "user" });
    } catch (error) {
      if (!(error instanceof OptionsAsked)) throw error;
      voice.words(describeOptions(parseOutputFormat(outputFormatIn(args))));
    }
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) return fail(voice, { json }, error);
    if (error.exitCode === 0) return ExitCode.Done;
    const message =
      error.code === "commander.help"
        ? "which subcommand?"
        : error.message.replace(/^error: /, "").replace(/\s+/g, " ");
    return fail(
      voice,
      { json },
      new Failure(
        "InvalidUsage",
        `${message}${message.endsWith(".") ? "" : "."} See 'imagediff --help'.`,
      ),
    );
  }
}

function outputFormatIn(args: readonly string[]): string {
  const index = args.findLastIndex((arg) => arg.startsWith("-O"));
  if (index < 0) return "qcow2";
  return args[index] === "-O" ? (args[index + 1] ?? "") : (args[index]?.slice(2) ?? "");
}
