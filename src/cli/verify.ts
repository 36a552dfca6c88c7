/** imagediff verify */
import type { Command } from "commander";
import { Failure } from "../report/reasons.ts";
import { addRunFlags, parseFormat, parseRunFlags, takeNames, type RunFlags } from "./flags.ts";
import { runSession, type CommandContext } from "./session.ts";
import { verifiedInWords } from "./words.ts";

interface VerifyFlags extends RunFlags {
  against?: string;
  f?: string;
}

export function addVerify(program: Command, { voice, exit }: CommandContext): void {
  const command = program
    .command("verify")
    .summary("prove that an overlay over its base is the modified image")
    .description(
      "Reads OVERLAY over its backing chain by QEMU's own reader and compares every byte with " +
        "the modified image; exit code 4 if they differ.",
    )
    .argument("[names...]", "OVERLAY")
    .usage("[options] OVERLAY --against MODIFIED")
    .option("--against <modified>", "the image that the overlay stands for (required)")
    .option("-f <fmt>", "format of the modified image; detected if not given");
  addRunFlags(command).action(async (names: string[], flags: VerifyFlags) => {
    exit(
      await runSession(
        voice,
        flags,
        async (listener) => {
          const [overlay] = takeNames(names, ["OVERLAY"]);
          if (flags.against === undefined) {
            throw new Failure(
              "InvalidUsage",
              "Compare with which image? Name it with --against MODIFIED.",
            );
          }
          const modified = { path: flags.against, format: parseFormat("-f", flags.f) };
          const run = parseRunFlags(flags);
          const { verifyOverlay } = await import("../engine/verify/verify-overlay.ts");
          return verifyOverlay({ overlay, modified, trustHoles: flags.trustHoles, run }, listener);
        },
        verifiedInWords,
      ),
    );
  });
}
