/** What the API server says when it refuses. */
import type { Status } from "kubernetes-types/meta/v1.d.ts";

/** A server's words in a message, at most: a proxy may answer with a page. */
const LONGEST_MESSAGE = 1000;

export interface ErrorCause {
  field?: string;
  message?: string;
}

/** A refusal. Its message is a sentence: what was asked for, and the server's own words. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  /** Such as NotFound, AlreadyExists, Conflict, Expired; `HTTP 503` where the server gave none. */
  readonly reason: string;
  /** How long the server wants to be left alone. */
  readonly retryAfterSeconds: number | undefined;
  /** What is wrong with which field. */
  readonly causes: readonly ErrorCause[] | undefined;

  /**
   * @param request What was asked for, such as `get Pod vms/web-01`.
   * @param status HTTP's status, or the code of a watch's error.
   */
  constructor(
    request: string,
    status: number,
    answer: Status = {},
    retryAfterSeconds = answer.details?.retryAfterSeconds,
  ) {
    const reason = answer.reason ?? "";
    const why = answer.message ?? "";
    const code = reason === "" ? `HTTP ${status}` : `${status} ${reason}`;
    super(
      why === ""
        ? `Cannot ${request}: the API server answered ${code}.`
        : `Cannot ${request}: ${why.slice(0, LONGEST_MESSAGE)} (${code}).`,
    );
    this.status = status;
    this.reason = reason === "" ? `HTTP ${status}` : reason;
    this.retryAfterSeconds = retryAfterSeconds;
    this.causes = answer.details?.causes;
  }
}

/** What an answer with an error's status says; a body that is no Status is not repeated. */
export function apiError(
  request: string,
  response: { status: number; headers: Record<string, string> },
  body: string,
): ApiError {
  const answer = statusOf(body);
  return new ApiError(
    request,
    response.status,
    answer,
    retryAfter(response.headers) ?? answer.details?.retryAfterSeconds,
  );
}

function statusOf(body: string): Status {
  try {
    const value = JSON.parse(body) as Status | null;
    return value?.kind === "Status" ? value : {};
  } catch {
    return {};
  }
}

/**
 * Seconds, or a moment (RFC 9110, 10.2.3). The moment is by the server's clock, so it is
 * compared with the server's own date where the answer has one.
 */
function retryAfter(headers: Record<string, string>): number | undefined {
  const value = headers["retry-after"]?.trim() ?? "";
  if (/^\d+$/.test(value)) return Number(value);
  if (!value.endsWith(" GMT")) return undefined;
  const now = Date.parse(headers["date"] ?? "");
  const seconds = (Date.parse(value) - (Number.isNaN(now) ? Date.now() : now)) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}

function hasStatus(error: unknown, status: number): error is ApiError {
  return error instanceof ApiError && error.status === status;
}

export function isNotFound(error: unknown): error is ApiError {
  return hasStatus(error, 404);
}

/** Somebody else changed the object first, or it is another by now; not isAlreadyExists. */
export function isConflict(error: unknown): error is ApiError {
  return hasStatus(error, 409) && error.reason !== "AlreadyExists";
}

export function isAlreadyExists(error: unknown): error is ApiError {
  return hasStatus(error, 409) && error.reason === "AlreadyExists";
}

export function isForbidden(error: unknown): error is ApiError {
  return hasStatus(error, 403);
}

/** The server no longer has this resourceVersion. */
export function isGone(error: unknown): error is ApiError {
  return hasStatus(error, 410);
}
