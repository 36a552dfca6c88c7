/** What a container has written, and the parts of it that can be asked for. */
import { EventEmitter } from "node:events";

interface LogLine {
  time: Date;
  /** With its end of line, unless it is the last and still without. */
  text: string;
}

/** As in a request for `pods/log`. */
export interface LogQuery {
  tailLines?: number | undefined;
  limitBytes?: number | undefined;
  since?: Date | undefined;
  timestamps?: boolean | undefined;
}

export class ContainerLog {
  readonly #lines: LogLine[] = [];
  readonly #events = new EventEmitter<{ more: [string]; end: [] }>();
  #ended = false;

  constructor() {
    // One for each who follows.
    this.#events.setMaxListeners(0);
  }

  /** Writes as the container; lines need not be whole. */
  append(text: string): void {
    const time = new Date();
    for (const part of text.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
      const last = this.#lines.at(-1);
      if (last === undefined || last.text.endsWith("\n")) this.#lines.push({ time, text: part });
      else last.text += part;
    }
    this.#events.emit("more", text);
  }

  /** The container is gone: nobody needs to wait for more. */
  end(): void {
    this.#ended = true;
    this.#events.emit("end");
  }

  /** The last `tailLines` since then, and of these the first `limitBytes`. */
  read({ tailLines, limitBytes, since, timestamps = false }: LogQuery = {}): Buffer {
    const recent = since === undefined ? this.#lines : this.#lines.filter((l) => l.time >= since);
    // slice(-0) would be all of them.
    const first = tailLines === undefined ? 0 : Math.max(0, recent.length - tailLines);
    const text = recent
      .slice(first)
      .map((line) => (timestamps ? `${line.time.toISOString()} ${line.text}` : line.text))
      .join("");
    return Buffer.from(text).subarray(0, limitBytes);
  }

  /** Tells what is written from now on, and when no more will be; returns how to stop that. */
  follow(more: (text: string) => void, end: () => void): () => void {
    if (this.#ended) end();
    this.#events.on("more", more).once("end", end);
    return () => void this.#events.off("more", more).off("end", end);
  }
}
