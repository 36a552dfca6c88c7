/**
 * What the engine says, as the status of a resource. Pure: the previous status and a line of
 * the engine in, the next status out; the same for the controller and a run without a cluster.
 */
import { outputPath, type ImageDiff } from "../../api/resource.ts";
import { StatusBounds, type BackingChainLink, type ImageDiffStatus } from "../../api/status.ts";
import { ExitCode } from "../../report/reasons.ts";
import type { Line, OverlayResult, Progress } from "../../report/schema.ts";
import { timestamp } from "./conditions.ts";
import { clip, moving, ready, set, stalled, type Cause, type Moment } from "./states.ts";
import { claimsOf, locate, type Volumes } from "./volumes.ts";
import { savingsSentence, savingsSummary, verifiedWords } from "./words.ts";

/** Why the engine failed. */
export interface Fault extends Cause {
  exitCode?: number;
  logTail?: string;
}

export interface StatusContext {
  resource: ImageDiff;
  volumes: Volumes;
  now: Date;
  /** Whether the work will be tried again should it fail in a way that may pass. */
  willRetry: boolean;
}

/** The status once the engine has been started, the first time or again. */
export function startedStatus(
  previous: ImageDiffStatus,
  context: Pick<StatusContext, "resource" | "now">,
): ImageDiffStatus {
  const { completionTime: _, progress: __, ...kept } = previous;
  const status = {
    ...kept,
    ...generationOf(context),
    phase: "Starting" as const,
    attempts: (previous.attempts ?? 0) + 1,
    startTime: previous.startTime ?? timestamp(context.now),
  };
  return moving(
    status,
    { reason: "Starting", message: "The engine has been started." },
    momentOf(context),
  );
}

/** The status after one more line of the engine. */
export function statusAfterLine(
  previous: ImageDiffStatus,
  line: Line,
  context: StatusContext,
): ImageDiffStatus {
  if (line.type === "progress") return progressed(previous, line, context);
  if (line.type === "result") return succeeded(previous, line, context);
  const { reason, message, exitCode } = line;
  const failure = { reason, message, exitCode };
  const retries = exitCode === ExitCode.Retryable && context.willRetry;
  return (retries ? retryStatus : failedStatus)(previous, failure, context);
}

function progressed(
  previous: ImageDiffStatus,
  { phase, bytesDone, bytesTotal, percent }: Progress,
  context: StatusContext,
): ImageDiffStatus {
  // Restoring is another command's phase: no ImageDiff asks for it.
  if (phase === "Restoring") return previous;
  const progress = { bytesDone, bytesTotal, percent: Math.floor(percent) };
  const cause = { reason: phase, message: sentences[phase] };
  return moving({ ...previous, phase, progress }, cause, momentOf(context));
}

const sentences = {
  Comparing: "The images are being compared.",
  Converting: "The overlay is being converted to its format.",
  Verifying: "The overlay is being compared with the modified image.",
};

function succeeded(
  previous: ImageDiffStatus,
  result: OverlayResult,
  context: StatusContext,
): ImageDiffStatus {
  const { resource, now } = context;
  const { virtualSizeBytes } = result.output;
  const status: ImageDiffStatus = {
    ...previous,
    phase: "Succeeded",
    progress: { bytesDone: virtualSizeBytes, bytesTotal: virtualSizeBytes, percent: 100 },
    completionTime: timestamp(now),
    output: outputStatus(result, resource),
    savings: savingsStatus(result),
    changes: result.changes,
    backingChain: chainStatus(result, context),
    readStrategy: result.readStrategy,
    readStrategyReason: clip(result.readStrategyReason, StatusBounds.message),
  };
  const reason = result.mode === "Diff" ? "OverlayReady" : "Estimated";
  const message = savingsSentence(result, resource);
  const done = ready(status, { reason, message }, momentOf(context));
  if (result.mode === "Estimate") return done;
  const { verified, ...why } = verifiedWords(result.verification);
  return set(done, "Verified", verified, why, momentOf(context));
}

/** The status after a failure that will be tried again. */
export function retryStatus(
  previous: ImageDiffStatus,
  failure: Fault,
  context: Pick<StatusContext, "resource" | "now">,
): ImageDiffStatus {
  const status = { ...withFailure(previous, failure, context), phase: "Waiting" as const };
  return moving(status, failure, momentOf(context));
}

/** The status after a failure for good. */
export function failedStatus(
  previous: ImageDiffStatus,
  failure: Fault,
  context: Pick<StatusContext, "resource" | "now">,
): ImageDiffStatus {
  const status = {
    ...withFailure(previous, failure, context),
    phase: "Failed" as const,
    completionTime: timestamp(context.now),
  };
  return stalled(status, failure, momentOf(context));
}

function withFailure(
  previous: ImageDiffStatus,
  failure: Fault,
  context: Pick<StatusContext, "resource" | "now">,
): ImageDiffStatus {
  const lastFailure = { ...failure, message: clip(failure.message, StatusBounds.message) };
  const status = { ...previous, lastFailure };
  if (failure.reason !== "VerificationFailed") return status;
  return set(status, "Verified", "False", failure, momentOf(context));
}

function outputStatus(
  { mode, output }: OverlayResult,
  resource: ImageDiff,
): NonNullable<ImageDiffStatus["output"]> {
  const { claimName } = resource.spec.output;
  const { path: _, ...sizes } = output;
  if (mode === "Estimate" || claimName === undefined) return sizes;
  return { claimName, path: outputPath(resource), ...sizes };
}

function savingsStatus({ savings }: OverlayResult): NonNullable<ImageDiffStatus["savings"]> {
  const whole = { ...savings, percent: Math.floor(savings.percent) };
  return { ...whole, summary: savingsSummary(whole) };
}

/** The chain with each absolute path as claim and path; a path outside of them all stays. */
function chainStatus(
  { backingChain }: OverlayResult,
  { resource, volumes }: StatusContext,
): BackingChainLink[] {
  const claims = claimsOf(resource);
  return backingChain.slice(0, StatusBounds.chain).map(({ path, format, backingFile }) => ({
    ...(locate(path, claims, volumes) ?? { path }),
    format,
    ...(backingFile === null ? {} : { backingFile }),
  }));
}

function momentOf({ resource, now }: Pick<StatusContext, "resource" | "now">): Moment {
  return { now, generation: resource.metadata.generation };
}

function generationOf({ resource }: Pick<StatusContext, "resource">): {
  observedGeneration?: number;
} {
  const { generation } = resource.metadata;
  return generation === undefined ? {} : { observedGeneration: generation };
}
