/** The bar that -p shows on standard error. */
import cliProgress from "cli-progress";
import prettyBytes from "pretty-bytes";
import type { Progress } from "../report/schema.ts";

const MEBIBYTE = 2 ** 20;

export class ProgressBar {
  #bar: cliProgress.SingleBar | null = null;
  #phase = "";

  show({ phase, bytesDone, bytesTotal }: Progress): void {
    const total = Math.ceil(bytesTotal / MEBIBYTE);
    if (phase !== this.#phase) {
      this.end();
      this.#phase = phase;
      this.#bar = new cliProgress.SingleBar({
        format: `${phase.padEnd(10)} {bar} {percentage}% of ${prettyBytes(bytesTotal, { binary: true })}, {eta_formatted} left`,
        stream: process.stderr,
        noTTYOutput: true,
        notTTYSchedule: 1000,
        barCompleteChar: "█",
        barIncompleteChar: "░",
      });
      this.#bar.start(total, 0);
    }
    this.#bar?.update(Math.floor(bytesDone / MEBIBYTE));
    if (bytesDone >= bytesTotal) this.#bar?.update(total);
  }

  end(): void {
    this.#bar?.stop();
    this.#bar = null;
    this.#phase = "";
  }
}
