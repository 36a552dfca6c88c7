/** A body that a test writes while it is read. */

export class Pipe implements AsyncIterable<Uint8Array> {
  readonly #parts: Buffer[] = [];
  #wake = Promise.withResolvers<void>();
  #over = false;
  #error: Error | undefined;
  readonly #closed: Array<() => void> = [];

  constructor(signal: AbortSignal) {
    signal.addEventListener("abort", () => this.fail(signal.reason as Error));
  }

  write(part: string | Uint8Array): void {
    if (this.#over) return;
    this.#parts.push(Buffer.from(part));
    this.#wake.resolve();
  }

  end(): void {
    this.#finish(undefined);
  }

  /** The connection breaks. */
  fail(error: Error): void {
    this.#finish(error);
  }

  onClose(listener: () => void): void {
    this.#closed.push(listener);
  }

  #finish(error: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#error = error;
    this.#wake.resolve();
    for (const listener of this.#closed) listener();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const part = this.#parts.shift();
        if (part !== undefined) {
          yield part;
        } else if (this.#over) {
          if (this.#error !== undefined) throw this.#error;
          return;
        } else {
          await this.#wake.promise;
          this.#wake = Promise.withResolvers<void>();
        }
      }
    } finally {
      this.end();
    }
  }
}
