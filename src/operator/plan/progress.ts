/** Progress as the end of the engine's log tells it. */
import type { ImageDiffStatus } from "../../api/status.ts";
import { Progress } from "../../report/schema.ts";
import { statusAfterLine, type StatusContext } from "./status.ts";

/**
 * The status after the last line of progress in a log, if it has one. People look at percents: the
 * bytes alone are no reason to write a status.
 */
export function withProgress(
  status: ImageDiffStatus,
  log: string | undefined,
  context: StatusContext,
): ImageDiffStatus {
  const line = log
    ?.split("\n")
    .map(progressLine)
    .findLast((each) => each !== undefined);
  if (line === undefined) return status;
  const next = statusAfterLine(status, line, context);
  const same = next.phase === status.phase && next.progress?.percent === status.progress?.percent;
  return same ? status : next;
}

/** The lines of a log that are not the report's. */
export function withoutReport(log: string): string {
  const lines = log.split("\n").filter((line) => !line.startsWith('{"type":'));
  return lines.join("\n").trim();
}

function progressLine(text: string): Progress | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    return Progress.safeParse(JSON.parse(text)).data;
  } catch {
    // A line that was cut, or another program's.
    return undefined;
  }
}
