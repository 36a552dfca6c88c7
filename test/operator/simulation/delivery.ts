/** How a watch's events come over the wire. */
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";
import { statusText } from "./server/answers.ts";
import type { WatchStream } from "./server/watch-stream.ts";
import type { Client } from "./transport.ts";
import { networkError } from "./network-error.ts";
import { pause, silence } from "./pause.ts";

export interface Delivery {
  /** How long an event takes. Events of one watch stay in their order. */
  lagSeconds: number;
  /** From this second on there is no lag. */
  calmAt: number;
  /** How many events of a hundred come twice. */
  twicePercent: number;
  /** How it goes wrong, and after how many seconds. */
  end?: "ends" | "breaks" | "tears" | "sleeps" | "expires";
  endAfter?: number;
}

interface Wire {
  clock: Clock;
  random: Random;
  client: Client;
  signal: AbortSignal;
}

/** Most events that come a second time at once. */
const MOST_AGAIN = 3;

export async function* deliver(
  stream: WatchStream,
  delivery: Delivery,
  { clock, random, client, signal }: Wire,
): AsyncGenerator<Uint8Array> {
  const { lagSeconds, calmAt, twicePercent, end, endAfter = 0 } = delivery;
  const endTime = clock.seconds + endAfter;
  const timer = end && setTimeout(() => stream.push(""), endAfter * 1000);
  let told: string[] = [];
  try {
    for (;;) {
      await stream.news(signal);
      if (signal.aborted) throw signal.reason;
      if (!client.alive) throw networkError("the process is dead");
      const isOver = end !== undefined && clock.seconds >= endTime;
      if (isOver && end === "breaks") throw networkError("terminated");
      if (isOver && end === "ends") return;
      if (isOver && end === "sleeps") await silence(signal);
      if (isOver && end === "expires") {
        const status = statusText(410, "Expired", "too old resource version");
        yield Buffer.from(`{"type":"ERROR","object":${status}}\n`);
        return;
      }
      const line = stream.shift();
      if (line === undefined && stream.ended) return;
      if (line === undefined || line.text === "") continue;
      const wait = Math.min(
        line.at / 1000 + lagSeconds - Date.now() / 1000,
        calmAt - clock.seconds,
      );
      if (wait > 0) await pause(wait, signal);
      const bytes = Buffer.from(line.text);
      const half = Math.floor(bytes.length / 2);
      yield bytes.subarray(0, half);
      if (isOver && end === "tears") return;
      yield bytes.subarray(half);
      told = [...told, line.text].slice(-MOST_AGAIN);
      if (clock.seconds < calmAt && random.chance(twicePercent / 100)) {
        yield Buffer.from(told.slice(-random.int(1, MOST_AGAIN)).join(""));
      }
    }
  } finally {
    clearTimeout(timer);
    stream.close();
  }
}
