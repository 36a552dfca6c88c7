/** What the engine can be asked for. */
import type { Progress, VerificationLevel } from "../report/schema.ts";
import type { Format } from "./image/format.ts";
import type { OverlayOptions } from "./overlay/options.ts";
import type { ExistingOutput } from "./overlay/output-file.ts";

export interface ImageRequest {
  readonly path: string;
  /** Undefined to tell it from the first bytes. */
  readonly format: Format | undefined;
}

export interface DiffRequest {
  readonly base: ImageRequest;
  readonly modified: ImageRequest;
  /** Null for an estimate. */
  readonly output: { readonly path: string; readonly existing: ExistingOutput } | null;
  readonly options: OverlayOptions;
  /** The name to record for the base; undefined for the one by which the overlay finds it. */
  readonly backingFile: string | undefined;
  /** Whether that name has to lead to the base already. */
  readonly requireBacking: boolean;
  readonly allowSizeDifference: boolean;
  readonly verification: VerificationLevel;
  readonly trustHoles: boolean;
  readonly run: RunOptions;
}

export interface RunOptions {
  /** Folders that every file must lie in; empty for no bound. */
  readonly volumes: readonly string[];
  readonly workers: number;
  /** Seconds after which a reader that does not answer counts as hanging. */
  readonly stallSeconds: number;
}

/** Who listens to a run, and may end it. */
export interface Listener {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

/** The listener of one run, as its parts know it: what fails in one ends the others. */
export interface RunControl extends Listener {
  /** Ends every program that the run started: no thread can then wait for one any more. */
  readonly endPrograms: () => void;
}

export function controlled(listener: Listener): RunControl {
  const programs = new AbortController();
  const signal = AbortSignal.any([listener.signal, programs.signal]);
  return { ...listener, signal, endPrograms: () => programs.abort() };
}

export function progress(
  phase: Progress["phase"],
  bytesDone: number,
  bytesTotal: number,
): Progress {
  const share = bytesTotal === 0 ? 1 : Math.min(1, bytesDone / bytesTotal);
  return {
    type: "progress",
    phase,
    bytesDone,
    bytesTotal,
    percent: Math.floor(share * 10000) / 100,
  };
}
