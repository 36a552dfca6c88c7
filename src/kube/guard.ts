/** Keeps one who no longer leads from writing. */
import type { Transport } from "./transport.ts";

/** A write that was not sent. */
export class NotLeading extends Error {
  override readonly name = "NotLeading";
}

/**
 * The transport, but for writes while `mayWrite()` is false: a process that was frozen, and
 * whose lease somebody else took meanwhile, goes on in the middle of what it did.
 * @throws NotLeading for anything but a GET.
 */
export function guarded(transport: Transport, mayWrite: () => boolean): Transport {
  return async (request) => {
    if (request.method !== "GET" && !mayWrite()) {
      throw new NotLeading("Nothing is written while another instance may be leading.");
    }
    return transport(request);
  };
}
