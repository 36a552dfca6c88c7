/** Sentences about requests that failed without the server having refused them. */
import { ApiError } from "./api-error.ts";
import { keyText, type KubeObject, type ObjectKey, type ResourceType } from "./resource-type.ts";
import { NotLeading } from "./guard.ts";
import { NoAnswer } from "./transport.ts";

/** Such as `get Pod vms/web-01`. */
export function requestName(
  verb: string,
  { kind }: ResourceType<KubeObject>,
  key: ObjectKey,
): string {
  return `${verb} ${kind} ${keyText(key)}`;
}

export function noAnswer(request: string, seconds: number): NoAnswer {
  return new NoAnswer(`Cannot ${request}: the answer was not there after ${seconds} seconds.`);
}

export function noEnd(request: string, seconds: number): NoAnswer {
  return new NoAnswer(`Cannot ${request}: the answer had not ended after ${seconds} seconds.`);
}

/** What the caller is told: a refusal, the signal's own reason, or why the network failed. */
export function explain(request: string, error: unknown, signal: AbortSignal): unknown {
  if (error instanceof ApiError || error instanceof NotLeading) return error;
  if (signal.aborted) return signal.reason;
  return new Error(`Cannot ${request}: ${words(error)}.`, { cause: error });
}

/** Node's error for a host of several addresses has a code, but says nothing. */
function words(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.message !== "") return error.message;
  return (error as NodeJS.ErrnoException).code ?? error.name;
}
