/** imagediff estimate */
import type { Command } from "commander";
import type { DiffRequest } from "../engine/request.ts";
import { Failure } from "../report/reasons.ts";
import {
  addOverlayFlags,
  addRunFlags,
  parseInputs,
  takeNames,
  type OverlayFlags,
} from "./flags.ts";
import { runSession, type CommandContext } from "./session.ts";
import { overlayInWords } from "./words.ts";

export function addEstimate(program: Command, { voice, exit }: CommandContext): void {
  const command = program
    .command("estimate")
    .summary("tell the exact size that the overlay would have")
    .description(
      "Compares FILENAME with BACKING_FILE as diff does, writes nothing, and tells the exact " +
        "size in bytes that diff's overlay would have, given the same options.",
    )
    .argument("[names...]", "FILENAME")
    .usage("[options] -b BACKING_FILE FILENAME");
  addRunFlags(addOverlayFlags(command)).action(async (names: string[], flags: OverlayFlags) => {
    exit(
      await runSession(
        voice,
        flags,
        async (listener) => {
          const request = parseEstimate(names, flags);
          const { diff } = await import("../engine/diff.ts");
          return diff(request, listener);
        },
        overlayInWords,
      ),
    );
  });
}

function parseEstimate(names: string[], flags: OverlayFlags): DiffRequest {
  const [filename] = takeNames(names, ["FILENAME"]);
  const inputs = parseInputs(flags, filename);
  if (inputs.options.format === "qed") {
    throw new Failure(
      "FormatNotSupported",
      "-O: only a qcow2 overlay's size can be told before it is written; QEMU lays out qed ones.",
    );
  }
  return { ...inputs, output: null, verification: "none" };
}
