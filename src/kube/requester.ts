/** Sends requests that end in time, and says of each that fails what was asked for. */
import { apiError } from "./api-error.ts";
import { readText } from "./body.ts";
import { explain, noAnswer } from "./failure.ts";
import type { HttpRequest, HttpResponse, Transport } from "./transport.ts";
import { Deadline } from "./wait.ts";

/** An error's body, in bytes at most. */
const LONGEST_ERROR = 2 ** 16;

export interface RequesterOptions {
  userAgent: string;
  /** For a request and its whole answer. */
  timeoutSeconds: number;
}

/** What to ask for; the signal, if any, is the caller's. */
export type Question = Omit<HttpRequest, "signal"> & { signal?: AbortSignal | undefined };

/**
 * Every method is told what is asked for, such as `get Pod vms/web-01`, and throws an ApiError
 * where the server refuses, the signal's reason where that ended it, and an Error that names
 * the request where the network failed or nothing came in time.
 */
export class Requester {
  readonly #transport: Transport;
  readonly options: RequesterOptions;

  constructor(transport: Transport, options: RequesterOptions) {
    this.#transport = transport;
    this.options = options;
  }

  /** The same, for requests that must not take long. */
  withTimeout(timeoutSeconds: number): Requester {
    return new Requester(this.#transport, { ...this.options, timeoutSeconds });
  }

  async json<T>(what: string, question: Question): Promise<T> {
    const text = await this.text(what, question);
    try {
      return JSON.parse(text) as T;
    } catch (error) {
      throw new Error(`Cannot ${what}: the API server's answer is not JSON.`, { cause: error });
    }
  }

  /** The answer, or what its first `limit` bytes say. */
  async text(what: string, question: Question, limit?: number): Promise<string> {
    using deadline = new Deadline(question.signal);
    try {
      const { body } = await this.open(what, question, deadline);
      return await readText(body, limit);
    } catch (error) {
      throw explain(what, error, deadline.signal);
    }
  }

  /** The answer's head; the deadline is set, and is the caller's to set anew. */
  async open(what: string, question: Question, deadline: Deadline): Promise<HttpResponse> {
    const { userAgent, timeoutSeconds } = this.options;
    deadline.set(timeoutSeconds, () => noAnswer(what, timeoutSeconds));
    const headers = { accept: "application/json", "user-agent": userAgent, ...question.headers };
    const response = await this.#transport({ ...question, headers, signal: deadline.signal });
    if (response.status < 300) return response;
    throw apiError(what, response, await readText(response.body, LONGEST_ERROR));
  }
}
