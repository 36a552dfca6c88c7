/** Where the program starts. */
import { runCommand } from "./program.ts";

// Nobody may be listening any more, or their disk be full: the work goes on, and ends in order.
process.stderr.on("error", () => undefined);
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE")
    process.stderr.write(`imagediff: Standard output is lost: ${error.message}.\n`);
});

process.exitCode = await runCommand(process.argv.slice(2));
