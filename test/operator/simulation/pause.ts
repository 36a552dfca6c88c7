/** Waiting for time to pass, on the side of the network. */

/** Resolves after so many seconds; rejects with the signal's reason when that aborts first. */
export async function pause(seconds: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = (): void => reject(signal.reason as Error);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  const timer = seconds === Infinity ? undefined : setTimeout(resolve, seconds * 1000);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}

/** Waits for the signal: nothing else will ever come. */
export async function silence(signal: AbortSignal): Promise<never> {
  await pause(Infinity, signal);
  throw signal.reason as Error;
}
