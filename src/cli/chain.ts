/** imagediff chain */
import type { Command } from "commander";
import { collect, takeNames } from "./flags.ts";
import { runSession, type CommandContext } from "./session.ts";
import { chainInWords } from "./words.ts";

interface ChainFlags {
  json?: boolean;
  volume?: string[];
}

export function addChain(program: Command, { voice, exit }: CommandContext): void {
  program
    .command("chain")
    .summary("tell which images an overlay rests on")
    .description("Lists OVERLAY, its backing file, and so on, with where each lies.")
    .argument("[names...]", "OVERLAY")
    .usage("[options] OVERLAY")
    .option("--json", "print the chain as one JSON line")
    .option(
      "--volume <dir>",
      "use only files that lie in <dir>, after all symbolic links (repeatable)",
      collect,
    )
    .action(async (names: string[], flags: ChainFlags) => {
      exit(
        await runSession(
          voice,
          flags,
          async () => {
            const [overlay] = takeNames(names, ["OVERLAY"]);
            const { chain } = await import("../engine/chain.ts");
            return chain(overlay, flags.volume ?? []);
          },
          (result) => chainInWords(result.backingChain),
        ),
      );
    });
}
