/** HTTP as the API server's clients need it: the one place where bytes leave the process. */

export interface HttpRequest {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path from the server's root. */
  path: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: string;
  /** Ends the request, the reading of its body included. */
  signal: AbortSignal;
}

export interface HttpResponse {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  /** The body as it arrives; reading it throws when the connection breaks. Leaving it ends it. */
  body: AsyncIterable<Uint8Array>;
}

/**
 * Sends a request and resolves once the response's head is there, whatever its status.
 * @throws Error of the network, or the signal's reason.
 */
export type Transport = (request: HttpRequest) => Promise<HttpResponse>;

/** The reason of a signal that gave up waiting: the connection may be dead. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}
