/** imagediff restore */
import { Option, type Command } from "commander";
import { quote } from "../engine/text.ts";
import { Failure } from "../report/reasons.ts";
import { addBasicFlags, takeNames, type BasicFlags } from "./flags.ts";
import { runSession, type CommandContext } from "./session.ts";
import { restoredInWords } from "./words.ts";

interface RestoreFlags extends BasicFlags {
  O: string;
  force?: boolean;
}

export function addRestore(program: Command, { voice, exit }: CommandContext): void {
  const command = program
    .command("restore")
    .summary("make the full image again from an overlay")
    .description(
      "Writes OUTPUT_FILENAME, the full image that OVERLAY over its backing chain stands for, " +
        "sparse and with no backing file.",
    )
    .argument("[names...]", "OVERLAY OUTPUT_FILENAME")
    .usage("[options] OVERLAY OUTPUT_FILENAME")
    .addOption(
      new Option("-O <output_fmt>", "format of the full image: raw or qcow2").default("raw"),
    )
    .option("--force", "replace an existing OUTPUT_FILENAME");
  addBasicFlags(command).action(async (names: string[], flags: RestoreFlags) => {
    exit(
      await runSession(
        voice,
        flags,
        async (listener) => {
          const [overlay, path] = takeNames(names, ["OVERLAY", "OUTPUT_FILENAME"]);
          const output = { path, existing: flags.force === true ? "Replace" : "Refuse" } as const;
          const format = parseRestoredFormat(flags.O);
          const volumes = flags.volume ?? [];
          const { restore } = await import("../engine/restore.ts");
          return restore({ overlay, output, format, volumes }, listener);
        },
        restoredInWords,
      ),
    );
  });
}

function parseRestoredFormat(name: string): "raw" | "qcow2" {
  if (name === "raw" || name === "qcow2") return name;
  throw new Failure(
    "FormatNotSupported",
    `-O: ${quote(name)} cannot be restored to; use raw or qcow2.`,
  );
}
