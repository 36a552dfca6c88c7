/** What happened in a run, for whoever has to find out why it failed. */

export class Trace {
  readonly #clock: { readonly seconds: number };
  readonly #lines: { at: number; parts: readonly unknown[] }[] = [];

  constructor(clock: { readonly seconds: number }) {
    this.#clock = clock;
  }

  /** Notes something; put into words only if somebody asks. */
  add(...parts: unknown[]): void {
    this.#lines.push({ at: this.#clock.seconds, parts });
  }

  toString(): string {
    return this.#lines
      .map(({ at, parts }) => `${at.toFixed(3).padStart(10)} ${parts.map(word).join(" ")}`)
      .join("\n");
  }
}

function word(part: unknown): string {
  if (part instanceof Error) return `${part.name}: ${part.message}`;
  return typeof part === "string" ? part : JSON.stringify(part);
}
