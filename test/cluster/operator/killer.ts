/** Kills a controller right before or right after one of its writes reaches the API server. */
import { type ControllerProcess } from "./process.ts";
import { whole, type Answer, type Passage, type Rule } from "./proxy.ts";

export interface Moment {
  /** As `writeName` calls it, with how often there was such a write before. */
  write: string;
  /** Before: the API server never hears of it. After: the controller never hears the answer. */
  side: "before" | "after";
}

export class Killer {
  /** Every write so far, each with a name of its own. */
  readonly writes: string[] = [];
  /** Resolves with the process that was killed, once it is gone. */
  readonly killed: Promise<void>;
  victim: ControllerProcess | undefined;
  readonly #moment: Moment | undefined;
  readonly #killed = Promise.withResolvers<void>();

  /** @param moment undefined for a controller that lives. */
  constructor(moment?: Moment) {
    this.#moment = moment;
    this.killed = this.#killed.promise;
  }

  /** For the proxy between the victim and the API server. */
  readonly rule: Rule = async (passage, forward) => {
    if (!passage.write || passage.lease) return forward();
    const name = writeName(passage);
    const earlier = this.writes.filter((write) => write.startsWith(`${name} #`)).length;
    const write = `${name} #${earlier + 1}`;
    this.writes.push(write);
    if (write !== this.#moment?.write || this.victim === undefined) return forward();
    if (this.#moment.side === "after") await whole(await forward());
    await this.#kill(this.victim);
    return undefined;
  };

  async #kill(victim: ControllerProcess): Promise<Answer | undefined> {
    this.victim = undefined;
    victim.kill();
    await victim.exited;
    this.#killed.resolve();
    return undefined;
  }
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
