/** An ImageDiff without a cluster: the same schema, plan, engine and status as in one. */
import { parseManifest } from "../api/manifest.ts";
import type { ImageDiff } from "../api/resource.ts";
import type { ImageDiffStatus } from "../api/status.ts";
import { engineArguments } from "../operator/plan/arguments.ts";
import { conclusion } from "../operator/plan/conclusion.ts";
import { startedStatus, statusAfterLine } from "../operator/plan/status.ts";
import { claimsOf, type Volume, type Volumes } from "../operator/plan/volumes.ts";
import { ExitCode, Failure } from "../report/reasons.ts";
import type { FailureReport, Line, OverlayResult } from "../report/schema.ts";
import { localVolumes } from "./volumes.ts";

export interface LocalRun {
  /** YAML or JSON of one ImageDiff. */
  manifestText: string;
  /** Folder in which claim `x` is `x`. */
  volumesDir: string;
  /** The time, for the status. */
  now: () => Date;
  /** Runs the engine with these arguments, gives each line it says, and returns its exit code. */
  execute: (argv: string[], onLine: (line: Line) => void) => Promise<number>;
}

export interface LocalOutcome {
  /** The resource with its defaults, and with its status. */
  resource: ImageDiff & { status: ImageDiffStatus };
  status: ImageDiffStatus;
  exitCode: number;
}

/**
 * Does what the manifest says, once. What only a cluster can do is left out: suspend, retries,
 * deadlines, deletion and the settings of the Job have no effect here, nor has sourceUse.
 * @throws Failure InvalidManifest; any later failure is in the status.
 */
export async function runLocally(run: LocalRun): Promise<LocalOutcome> {
  const resource = parseManifest(run.manifestText);
  let status: ImageDiffStatus = {};
  let volumes: Volumes = unmounted;
  const context = () => ({ resource, volumes, now: run.now(), willRetry: false });
  let lastLine: OverlayResult | FailureReport | undefined;
  const onLine = (line: Line): void => {
    if (line.type === "progress") status = statusAfterLine(status, line, context());
    else lastLine = line;
  };
  try {
    volumes = localVolumes(run.volumesDir, claimsOf(resource));
    const argv = engineArguments(resource, volumes);
    status = startedStatus(status, context());
    const exitCode = await run.execute(argv, onLine);
    lastLine = conclusion(lastLine, exitCode);
  } catch (error) {
    lastLine = failureReport(error);
  }
  status = statusAfterLine(status, lastLine, context());
  const exitCode = lastLine.type === "failure" ? lastLine.exitCode : ExitCode.Done;
  return { resource: { ...resource, status }, status, exitCode };
}

/** No claim has been found yet: a failure before that names none. */
function unmounted(claimName: string): Volume {
  throw new Error(`claim ${claimName} has not been looked for`);
}

function failureReport(error: unknown): FailureReport {
  if (!(error instanceof Failure)) throw error;
  const { reason, message, exitCode } = error;
  return { type: "failure", reason, message, exitCode };
}
