/**
 * What the engine says, as the status of a resource. Pure: the previous status and a line of
 * the engine in, the next status out; the same for the controller and a run without a cluster.
 */
import { outputPath, type ImageDiff } from "../../api/resource.ts";
import { StatusBounds, type BackingChainLink, type ImageDiffStatus } from "../../api/status.ts";
import { ExitCode } from "../../report/reasons.ts";
import type { FailureReport, Line, OverlayResult, Progress } from "../../report/schema.ts";
import { timestamp, withCondition, withoutConditions } from "./conditions.ts";
import { savingsSentence, savingsSummary, verifiedWords } from "./words.ts";
import { claimsOf, locate, type Volumes } from "./volumes.ts";

export interface StatusContext {
  resource: ImageDiff;
  volumes: Volumes;
  now: Date;
  /** Whether the work will be tried again should it fail in a way that may pass. */
  willRetry: boolean;
}

/** The status once the engine has been started, the first time or again. */
export function startedStatus(previous: ImageDiffStatus, context: StatusContext): ImageDiffStatus {
  const { now } = context;
  const { completionTime: _, progress: __, ...kept } = previous;
  const status = {
    ...kept,
    ...generationOf(context),
    phase: "Starting" as const,
    attempts: (previous.attempts ?? 0) + 1,
    startTime: previous.startTime ?? timestamp(now),
  };
  return reconciling(status, "Starting", "The engine has been started.", context);
}

/** The status after one more line of the engine. */
export function statusAfterLine(
  previous: ImageDiffStatus,
  line: Line,
  context: StatusContext,
): ImageDiffStatus {
  if (line.type === "progress") return progressed(previous, line, context);
  if (line.type === "result") return succeeded(previous, line, context);
  return failed(previous, line, context);
}

function progressed(
  previous: ImageDiffStatus,
  { phase, bytesDone, bytesTotal, percent }: Progress,
  context: StatusContext,
): ImageDiffStatus {
  // Restoring is another command's phase: no ImageDiff asks for it.
  if (phase === "Restoring") return previous;
  const progress = { bytesDone, bytesTotal, percent: Math.floor(percent) };
  return reconciling({ ...previous, phase, progress }, phase, sentences[phase], context);
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
  const settled = { ...status, conditions: settledConditions(previous) };
  const reason = result.mode === "Diff" ? "OverlayReady" : "Estimated";
  const ready = set(settled, "Ready", "True", reason, savingsSentence(result, resource), context);
  if (result.mode === "Estimate") return ready;
  const { verified, reason: why, message } = verifiedWords(result.verification);
  return set(ready, "Verified", verified, why, message, context);
}

function failed(
  previous: ImageDiffStatus,
  { reason, message, exitCode }: FailureReport,
  context: StatusContext,
): ImageDiffStatus {
  const sentence = clip(message, StatusBounds.message);
  const lastFailure = { reason, message: sentence, exitCode };
  const status: ImageDiffStatus =
    reason === "VerificationFailed"
      ? set({ ...previous, lastFailure }, "Verified", "False", reason, sentence, context)
      : { ...previous, lastFailure };
  if (exitCode === ExitCode.Retryable && context.willRetry) {
    return reconciling({ ...status, phase: "Waiting" }, reason, sentence, context);
  }
  const final: ImageDiffStatus = {
    ...status,
    phase: "Failed",
    completionTime: timestamp(context.now),
    conditions: settledConditions(status),
  };
  const stalled = set(final, "Ready", "False", reason, sentence, context);
  return set(stalled, "Stalled", "True", reason, sentence, context);
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

/** Work goes on: not Ready yet, Reconciling, and not Stalled any more. */
function reconciling(
  status: ImageDiffStatus,
  reason: string,
  message: string,
  context: StatusContext,
): ImageDiffStatus {
  const moving = { ...status, conditions: withoutConditions(status.conditions ?? [], "Stalled") };
  const notReady = set(moving, "Ready", "False", reason, message, context);
  return set(notReady, "Reconciling", "True", reason, message, context);
}

/** The conditions without those that are only there while work goes on or is stuck. */
function settledConditions({ conditions = [] }: ImageDiffStatus) {
  return withoutConditions(conditions, "Reconciling", "Stalled");
}

function set(
  status: ImageDiffStatus,
  type: string,
  value: "True" | "False" | "Unknown",
  reason: string,
  message: string,
  context: StatusContext,
): ImageDiffStatus {
  const { conditions = [] } = status;
  const condition = { type, status: value, ...generationOf(context), reason, message };
  return { ...status, conditions: withCondition(conditions, condition, context.now) };
}

function generationOf({ resource }: StatusContext): { observedGeneration?: number } {
  const { generation } = resource.metadata;
  return generation === undefined ? {} : { observedGeneration: generation };
}

/** At most so many characters of a text. */
function clip(text: string, characters: number): string {
  return text.length <= characters ? text : `${text.slice(0, characters - 1).toWellFormed()}…`;
}
