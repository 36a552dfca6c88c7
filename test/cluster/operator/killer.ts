/** Kills a controller right before or right after one of its writes reaches the API server. */
import type { ControllerProcess } from "./process.ts";
import { whole, type Passage, type Rule } from "./proxy.ts";

/** Before: the API server never hears of it. After: the controller never hears the answer. */
export type Side = "before" | "after";

/** Which writes are to be its last, by their names and how often there was such a one before. */
export type Plot = (write: string, earlier: number) => Side | undefined;

/** It lives. */
export const spared: Plot = () => undefined;

/** At one write. */
export function once(side: Side, doomed: string): Plot {
  return (write, earlier) => (`${write} #${earlier + 1}` === doomed ? side : undefined);
}

/** At each write: where that did not get through, the next one who tries it is spared. */
export function always(side: Side): Plot {
  return (_, earlier) => (side === "after" || earlier % 2 === 0 ? side : undefined);
}

export class Killer {
  /** Every write so far, each with a name of its own. */
  readonly writes: string[] = [];
  /** Those of them, by their names alone, at which it has struck. */
  readonly struck: string[] = [];
  readonly #plot: Plot;
  readonly #start: () => Promise<ControllerProcess>;
  #victim: ControllerProcess | undefined;

  /** @param start makes the first victim, and each one's successor. */
  constructor(plot: Plot, start: () => Promise<ControllerProcess>) {
    this.#plot = plot;
    this.#start = start;
  }

  /** Starts the first victim. */
  async begin(): Promise<void> {
    this.#victim = await this.#start();
  }

  /** For the proxy between the victim and the API server. */
  readonly rule: Rule = async (passage, forward) => {
    if (!passage.write || passage.lease) return forward();
    const name = writeName(passage);
    const earlier = this.writes.filter((write) => write.startsWith(`${name} #`)).length;
    this.writes.push(`${name} #${earlier + 1}`);
    const side = this.#plot(name, earlier);
    const victim = this.#victim;
    if (side === undefined || victim === undefined) return forward();
    this.#victim = undefined;
    this.struck.push(name);
    if (side === "after") await whole(await forward());
    victim.kill();
    await victim.exited;
    this.#victim = await this.#start();
    return undefined;
  };
}

interface Written {
  reason?: string;
  spec?: object;
  status?: {
    phase?: string;
    progress?: { percent?: number };
    conditions?: Array<{ type: string; reason: string }>;
  };
}

/** What a write is for, the same in each life of the same kind. */
function writeName({ method, path, body }: Passage): string {
  const kind = /\/namespaces\/[^/]+\/([^/]+)/.exec(path)?.[1] ?? path;
  const { reason, spec, status } = (body === "" ? {} : JSON.parse(body)) as Written;
  if (path.endsWith("/status")) {
    const ready = status?.conditions?.find(({ type }) => type === "Ready");
    const percent = status?.progress?.percent;
    return [
      `status ${status?.phase} ${ready?.reason}`,
      ...(percent === undefined ? [] : [percent]),
    ].join(" ");
  }
  if (kind === "events") return `${method} event ${reason}`;
  return method === "PATCH" ? `${method} ${kind} ${JSON.stringify(spec)}` : `${method} ${kind}`;
}
