/** Results in words, for people. */
import prettyBytes from "pretty-bytes";
import { quote } from "../engine/text.ts";
import type { ChainLink, OverlayResult, RestoreResult, VerifyResult } from "../report/schema.ts";

const size = (bytes: number): string => prettyBytes(bytes, { binary: true });

export function overlayInWords(result: OverlayResult): string {
  const { output, savings, changes } = result;
  const name =
    output.path === null ? `The ${output.format} overlay would have` : `${quote(output.path)} has`;
  const proved = {
    none: "nothing was proved",
    metadata: "QEMU finds its metadata clean",
    full: "QEMU reads from it exactly the modified image",
  }[result.verification];
  const lines = [
    `${name} ${size(output.fileSizeBytes)} (${output.fileSizeBytes} bytes) for a disk of ${size(output.virtualSizeBytes)}.`,
    `  changed    ${size(changes.dataBytes)} of data, ${size(changes.zeroBytes)} became zero, ${size(changes.identicalBytes)} left to the base`,
    `  saved      ${size(savings.savedBytes)} of the ${size(savings.modifiedAllocatedBytes)} that the full copy takes (${savings.percent} %)`,
    `  read       ${size(result.work.bytesRead)} in ${result.work.compareSeconds} s. ${result.readStrategyReason}`,
    ...(output.path === null
      ? []
      : [`  verified   ${result.verification}: ${proved} (${result.work.verifySeconds} s)`]),
    ...(output.path === null ? [] : ["  chain", chainInWords(result.backingChain)]),
  ];
  return `${lines.join("\n").trimEnd()}\n`;
}

/** One line an image, each resting on the one below. */
export function chainInWords(chain: readonly ChainLink[]): string {
  const lines = chain.map(({ path, format, backingFile }, index) => {
    const recorded = backingFile === null ? "" : `, records ${quote(backingFile)}`;
    return `${"  ".repeat(index + 2)}${quote(path)} (${format}${recorded})\n`;
  });
  return lines.join("");
}

export function restoredInWords({ output }: RestoreResult): string {
  return (
    `${quote(output.path)} is the full ${output.format} image again: ${output.fileSizeBytes} bytes, ` +
    `of which ${size(output.allocatedBytes)} are stored.\n`
  );
}

export function verifiedInWords(result: VerifyResult): string {
  return `QEMU reads from the overlay exactly the modified image, all ${result.virtualSizeBytes} bytes of the disk.\n${chainInWords(result.backingChain)}`;
}
