/** Counts requests. */
import type { HttpRequest, Transport } from "./transport.ts";

export interface ObservedRequest {
  method: HttpRequest["method"];
  path: string;
  /** 0 where there was no answer. */
  status: number;
  /** Until the answer's head was there. */
  seconds: number;
}

/** The transport, telling of each request once it is answered or has failed. */
export function observed(
  transport: Transport,
  onRequest: (request: ObservedRequest) => void,
): Transport {
  return async (request) => {
    const { method, path } = request;
    const start = performance.now();
    let status = 0;
    try {
      const response = await transport(request);
      status = response.status;
      return response;
    } finally {
      onRequest({ method, path, status, seconds: (performance.now() - start) / 1000 });
    }
  };
}
