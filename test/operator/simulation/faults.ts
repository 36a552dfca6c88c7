/** What goes wrong between the controller and the API server, as a seed has it. */
import type { Random } from "./random.ts";

/** What can become of a request that is not a watch. */
const requestFaults = [
  /** Nobody listens. */
  "refused",
  /** The connection breaks before the server has read it, */
  "lost",
  /** or after it has done what was asked. */
  "unheard",
  /** No answer ever, the server not having heard it, */
  "silent",
  /** or having done it. */
  "mute",
  /** Heard after the client has given up; what makes no object. */
  "late",
  /** Both ways take their time. */
  "slow",
  ...(["409", "410", "429", "500", "503"] as const),
  /** A proxy answers with a page of its own. */
  "page",
  /** The answer ends too soon, in order or not. */
  "short",
  "cut",
] as const;
export type RequestFault = (typeof requestFaults)[number];

const watchFaults = [
  ...(["refused", "silent", "410", "429", "500"] as const),
  /** After a while: it ends in order, breaks, breaks within a line, goes silent, is too old. */
  ...(["ends", "breaks", "tears", "sleeps", "expires"] as const),
  /** Begins with what was told before. */
  "repeats",
] as const;
export type WatchFault = (typeof watchFaults)[number];

export interface Restart {
  /** So many seconds after the start, or right after so many writes. */
  at?: number;
  afterWrites?: number;
  /** Whether it is killed; else it is asked to stop. */
  killed: boolean;
}

export interface Faults {
  /** All is well from here on, in seconds. */
  until: number;
  /** How many requests of a hundred go wrong. */
  percent: number;
  requests: RequestFault[];
  watches: WatchFault[];
  /** How long what happened to a kind takes to be told, in seconds at most. */
  lags: Record<string, number>;
  /** How many events of a hundred come twice. */
  twicePercent: number;
  /** Objects on a page of a list. */
  page: number;
  /** When the past is forgotten. */
  compactions: number[];
  restarts: Restart[];
  /** Resources that are looked at at the same time. */
  concurrency: number;
}

export const kindsWatched = [
  ...["imagediffs", "jobs", "pods"],
  ...["persistentvolumeclaims", "persistentvolumes", "storageclasses"],
];

export function faultsOf(random: Random): Faults {
  const until = random.between(30, 400);
  const some = <T>(all: readonly T[]): T[] => {
    const share = random.pick([0, 0.3, 1]);
    return all.filter(() => random.chance(share));
  };
  const times = (most: number): number[] =>
    Array.from({ length: random.int(0, most) }, () => random.between(0, until));
  const lag = (): number => random.pick([0, 0, 0.05, 1, 10, 30]);
  return {
    until,
    percent: random.pick([2, 5, 10, 20, 40]),
    requests: some(requestFaults),
    watches: some(watchFaults),
    lags: Object.fromEntries(kindsWatched.map((kind) => [kind, lag()])),
    twicePercent: random.pick([0, 0, 5, 30]),
    page: random.pick([1, 2, 500]),
    compactions: times(3),
    restarts: random.chance(0.5)
      ? []
      : Array.from({ length: random.int(1, 3) }, () => restart(random, until)),
    concurrency: random.pick([1, 2, 4]),
  };
}

function restart(random: Random, until: number): Restart {
  const killed = random.chance(0.7);
  if (random.chance(0.4)) return { at: random.between(0, until), killed };
  return { afterWrites: random.int(1, 12), killed: true };
}

/** No faults, for comparison. */
export const none: Faults = {
  until: 0,
  percent: 0,
  requests: [],
  watches: [],
  lags: {},
  twicePercent: 0,
  page: 500,
  compactions: [],
  restarts: [],
  concurrency: 4,
};
