/** imagediff run: an ImageDiff manifest without a cluster. */
import { readFileSync } from "node:fs";
import { Option, type Command } from "commander";
import { messageOf, quote } from "../engine/text.ts";
import { Failure } from "../report/reasons.ts";
import { runCommand } from "./program.ts";
import { takeNames } from "./flags.ts";
import { fail, progressBar, type CommandContext, type Voice } from "./session.ts";

interface RunFlags {
  file?: string;
  volumes?: string;
  output: string;
  progress?: boolean;
}

export function addRun(program: Command, { voice, exit }: CommandContext): void {
  program
    .command("run")
    .summary("do what an ImageDiff manifest says, without a cluster")
    .description(
      "Reads an ImageDiff manifest, takes the folder or block device DIR/x for the claim x, does " +
        "what the operator's Job would do, and prints the resource with its status.",
    )
    .argument("[names...]")
    .usage("[options] -f MANIFEST --volumes DIR")
    .option("-f, --file <manifest>", "the manifest, YAML or JSON; - for standard input (required)")
    .option("--volumes <dir>", "the folder that holds the claims (required)")
    .option("-p, --progress", "show a progress bar on standard error")
    .addOption(
      new Option("-o, --output <format>", "how to print the resource")
        .choices(["yaml", "json"])
        .default("yaml"),
    )
    .action(async (names: string[], flags: RunFlags) => {
      try {
        exit(await runManifest(voice, names, flags));
      } catch (error) {
        exit(fail(voice, {}, error));
      }
    });
}

async function runManifest(voice: Voice, names: string[], flags: RunFlags): Promise<number> {
  takeNames(names, []);
  if (flags.file === undefined)
    throw new Failure("InvalidUsage", "Which manifest? Name it with -f MANIFEST.");
  if (flags.volumes === undefined) {
    throw new Failure(
      "InvalidUsage",
      "Where are the claims? Name their folder with --volumes DIR.",
    );
  }
  const bar = await progressBar(flags.progress === true);
  const [{ runLocally }, YAML] = await Promise.all([import("../local/run.ts"), import("yaml")]);
  const { resource, status, exitCode } = await runLocally({
    manifestText: readManifest(flags.file),
    volumesDir: flags.volumes,
    now: () => new Date(),
    execute: async (argv, onLine) =>
      runCommand(argv, {
        line(line) {
          if (line.type === "progress") bar?.show(line);
          if (line.type !== "restored" && line.type !== "verified" && line.type !== "chain") {
            onLine(line);
          }
        },
        words: () => undefined,
        complaint: () => undefined,
      }),
  });
  bar?.end();
  voice.words(
    flags.output === "json" ? `${JSON.stringify(resource, null, 2)}\n` : YAML.stringify(resource),
  );
  if (status.lastFailure !== undefined) {
    voice.complaint(`imagediff: ${status.lastFailure.message} [${status.lastFailure.reason}]\n`);
  }
  return exitCode;
}

function readManifest(path: string): string {
  try {
    return readFileSync(path === "-" ? 0 : path, "utf8");
  } catch (error) {
    throw new Failure(
      "InvalidManifest",
      `The manifest ${quote(path)} cannot be read: ${messageOf(error)}.`,
    );
  }
}
