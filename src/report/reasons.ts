/**
 * Why a run failed: one word that is the same in the exit code, the report, the resource's
 * condition, the event and the documentation.
 */

/** What the caller may do about a failure; the numbers are the process's exit codes. */
export const ExitCode = {
  /** The work is done. */
  Done: 0,
  /** It failed, and trying again may help: an I/O error, no space, a source that changed. */
  Retryable: 1,
  /** The command line or the manifest is wrong. */
  Usage: 2,
  /** These inputs can never work as they are. */
  Permanent: 3,
  /** The overlay was written, but does not prove to be right. */
  VerificationFailed: 4,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Every reason word, and the exit code that it means. */
export const reasons = {
  // Trying again may help.
  NoSpace: ExitCode.Retryable,
  SourceReadFailed: ExitCode.Retryable,
  OutputWriteFailed: ExitCode.Retryable,
  SourceChanged: ExitCode.Retryable,
  OutputBusy: ExitCode.Retryable,
  ReaderFailed: ExitCode.Retryable,
  ReaderStalled: ExitCode.Retryable,
  ToolMissing: ExitCode.Retryable,
  Interrupted: ExitCode.Retryable,
  InternalError: ExitCode.Retryable,
  // The command line or the manifest is wrong.
  InvalidUsage: ExitCode.Usage,
  InvalidManifest: ExitCode.Usage,
  FormatNotSupported: ExitCode.Usage,
  // The inputs can never work.
  SizeMismatch: ExitCode.Permanent,
  ImageNotFound: ExitCode.Permanent,
  ImageUnreadable: ExitCode.Permanent,
  ImageInvalid: ExitCode.Permanent,
  ImageRefused: ExitCode.Permanent,
  BackingFileRefused: ExitCode.Permanent,
  SameImage: ExitCode.Permanent,
  OutputExists: ExitCode.Permanent,
  OutputDirectoryMissing: ExitCode.Permanent,
  OutputNotWritable: ExitCode.Permanent,
  PathOutsideVolume: ExitCode.Permanent,
  OverlayTooLarge: ExitCode.Permanent,
  // The overlay is not what it should be.
  VerificationFailed: ExitCode.VerificationFailed,
} as const satisfies Record<string, ExitCode>;

export type Reason = keyof typeof reasons;

/** A failure with its reason; the message is a sentence for the person who must act. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly reason: Reason;

  constructor(reason: Reason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }

  get exitCode(): ExitCode {
    return reasons[this.reason];
  }
}
