/** Writing at an offset, to the last byte. */
import { writeSync } from "node:fs";
import { Failure } from "../../report/reasons.ts";
import { errorCode, messageOf } from "../text.ts";

/**
 * Writes a buffer's [at, at + length) to the file at `offset`, in bytes.
 * @throws Failure NoSpace or OutputWriteFailed.
 */
export function write(
  fd: number,
  buffer: Buffer,
  at: number,
  length: number,
  offset: number,
): void {
  let done = 0;
  try {
    while (done < length) {
      done += writeSync(fd, buffer, at + done, length - done, offset + done);
    }
  } catch (error) {
    throw writeFailure(error);
  }
}

/** What a failed write to the output means for the user. */
export function writeFailure(error: unknown): Failure {
  const code = errorCode(error);
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG") {
    return new Failure(
      "NoSpace",
      `There is no room for the overlay where it is to be written (${messageOf(error)}). ` +
        "Free some space, or have its size told first with 'imagediff estimate'.",
      { cause: error },
    );
  }
  return new Failure("OutputWriteFailed", `The overlay cannot be written: ${messageOf(error)}.`, {
    cause: error,
  });
}
