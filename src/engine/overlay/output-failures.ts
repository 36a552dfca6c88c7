/** Why an output cannot be made, in sentences to whoever must act. */
import { Failure } from "../../report/reasons.ts";
import { writeFailure } from "../system/write.ts";
import { errorCode, messageOf, quote } from "../text.ts";

export function exists(path: string): Failure {
  return new Failure(
    "OutputExists",
    `The output ${quote(path)} exists already; give another name, or allow it to be replaced: --force, or spec.output.overwrite in a manifest.`,
  );
}

export function busy(path: string): Failure {
  return new Failure(
    "OutputBusy",
    `Another run is writing ${quote(path)} right now; wait for it to end.`,
  );
}

export function cannotCreate(path: string, error: unknown): Failure {
  const code = errorCode(error);
  if (code === "ENOSPC" || code === "EDQUOT") return writeFailure(error);
  if (code === "EACCES" || code === "EPERM" || code === "EROFS" || code === "ENAMETOOLONG") {
    return new Failure(
      "OutputNotWritable",
      `The output ${quote(path)} cannot be created by user ${process.getuid?.()}, group ` +
        `${process.getgid?.()}: ${messageOf(error)}.`,
      { cause: error },
    );
  }
  return new Failure(
    "OutputWriteFailed",
    `The output ${quote(path)} cannot be created: ${messageOf(error)}.`,
    {
      cause: error,
    },
  );
}
