/** One run: a script, with or without faults, from the first moment until nothing moves any more. */
import { vi } from "vitest";
import type { Log } from "../../../src/kube/log.ts";
import { Controller } from "../../../src/operator/controller.ts";
import { Clock, settle } from "./clock.ts";
import type { Faults, Restart } from "./faults.ts";
import { Invariants } from "./invariants.ts";
import { outcomeOf, type Outcome } from "./outcome.ts";
import { Random } from "./random.ts";
import { lastMoment, NAMESPACE, type Script } from "./script.ts";
import { Trace } from "./trace.ts";
import { transportOf, type Client, type Way } from "./transport.ts";
import { world, type World } from "./world/world.ts";

/** Seconds in which nothing may happen before a run has ended. */
const QUIET_SECONDS = { calm: 150, faulty: 600 };

/** Seconds that a run may take after the last thing that the script brings. */
const MOST_SECONDS = 3 * 3600;

/** Seconds that a controller has to stop before it is killed. */
const STOP_SECONDS = 20;

export interface Run {
  outcome: Outcome;
  problems: string[];
  trace: Trace;
  /** How often somebody asked the API server. */
  requests: number;
}

export async function run(script: Script, faults: Faults, random: Random): Promise<Run> {
  const clock = new Clock();
  const jitter = random.fork();
  const chance = vi.spyOn(Math, "random").mockImplementation(() => jitter.next());
  try {
    return await new Simulation(script, faults, random, clock).run();
  } finally {
    chance.mockRestore();
    clock.stop();
  }
}

class Simulation {
  readonly #script: Script;
  readonly #faults: Faults;
  readonly #clock: Clock;
  readonly #world: World;
  readonly #trace: Trace;
  readonly #invariants: Invariants;
  readonly #way: Way;
  #process: Process | undefined;
  #lives = 0;
  #lastChange = 0;
  #writes = 0;

  constructor(script: Script, faults: Faults, random: Random, clock: Clock) {
    this.#script = script;
    this.#faults = faults;
    this.#clock = clock;
    this.#trace = new Trace(clock);
    this.#world = world(script, clock, random.fork());
    const { server, answers, engines } = this.#world;
    this.#invariants = new Invariants(server, clock, script.maxJobs);
    engines.problem = (problem) => this.#invariants.broken(problem);
    server.listen(({ type, kind, object, revision }) => {
      this.#lastChange = clock.seconds;
      this.#trace.add("  world", type, kind, object.metadata?.name, revision, object.status ?? "");
    });
    this.#way = {
      answers,
      faults,
      clock,
      random: random.fork(),
      trace: this.#trace,
      invariants: this.#invariants,
      forbidden: script.blindToVolumes ? ["persistentvolumes", "storageclasses"] : [],
    };
  }

  async run(): Promise<Run> {
    const { answers } = this.#world;
    for (const moment of this.#faults.compactions)
      setTimeout(() => answers.compact(), moment * 1000);
    for (const each of this.#faults.restarts) {
      if (each.at !== undefined) setTimeout(() => this.#restart(each), each.at * 1000);
    }
    this.#start();
    await settle();
    try {
      while (!this.#isOver()) await this.#clock.step();
    } catch (error) {
      this.#invariants.broken(String(error));
    }
    this.#process?.kill();
    await settle();
    const { server, engines } = this.#world;
    return {
      outcome: outcomeOf(server, engines, this.#script),
      problems: this.#invariants.problems,
      trace: this.#trace,
      requests: this.#process?.requests ?? 0,
    };
  }

  #isOver(): boolean {
    const { seconds } = this.#clock;
    const begun = Math.max(lastMoment(this.#script), this.#faults.until);
    if (this.#invariants.problems.length > 0) return true;
    if (seconds > begun + MOST_SECONDS) {
      this.#invariants.broken("it does not come to rest");
      return true;
    }
    if (this.#world.timers.pending > 0) return false;
    const moved = Math.max(begun, this.#lastChange, this.#invariants.lastWrite);
    return seconds > moved + QUIET_SECONDS[this.#faults.until === 0 ? "calm" : "faulty"];
  }

  #start(): void {
    this.#lives += 1;
    this.#process = new Process(`c${this.#lives}`, this.#script, this.#way, this.#log(), () => {
      this.#writes += 1;
      const due = this.#faults.restarts.find(({ afterWrites }) => afterWrites === this.#writes);
      if (due !== undefined) this.#restart(due);
    });
  }

  #restart({ killed }: Restart): void {
    const old = this.#process;
    if (old === undefined) return;
    this.#process = undefined;
    this.#trace.add(killed ? "KILL" : "STOP");
    const next = (): void => {
      old.kill();
      if (this.#process === undefined) this.#start();
    };
    if (killed) {
      old.kill();
      setTimeout(next, 1000);
      return;
    }
    setTimeout(next, STOP_SECONDS * 1000);
    void this.#replace(old, next);
  }

  async #replace(old: Process, start: () => void): Promise<void> {
    await old.stop();
    start();
  }

  #log(): Log {
    const note = (level: string) => (fields: object, message: string) => {
      this.#trace.add("    log", level, message, fields);
      const { error } = fields as { error?: unknown };
      const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      // A mistake of the program's looks like this, wherever it is caught.
      const isMistake =
        /^(TypeError|RangeError|ReferenceError)|Cannot read prop|is not (a|iterable)/;
      if (level === "error" || isMistake.test(text)) {
        this.#invariants.broken(`the controller logs: ${message}: ${text}`);
      }
    };
    return { debug: () => {}, info: note("info"), warn: note("warn"), error: note("error") };
  }
}

/** A controller's process. */
class Process {
  readonly #client: Client;
  readonly #ended = new AbortController();
  readonly #running: Promise<void>;
  requests = 0;

  constructor(name: string, script: Script, way: Way, log: Log, onWrite: () => void) {
    this.#client = { name, alive: true, onWrite };
    const transport = transportOf(way, this.#client);
    const { maxJobs, maxJobsPerNode, scoped } = script;
    const controller = new Controller({
      transport: async (request) => {
        this.requests += 1;
        way.invariants.asked(request);
        return transport(request);
      },
      log,
      settings: {
        engineImage: "example.com/engine:1",
        resources: { limits: { memory: "256Mi" } },
        ...(maxJobs !== undefined && { maxJobs }),
        ...(maxJobsPerNode !== undefined && { maxJobsPerNode }),
      },
      namespaces: scoped ? [NAMESPACE] : [],
      concurrency: way.faults.concurrency,
      identity: name,
    });
    this.#running = controller.run(this.#ended.signal);
  }

  /** Asks it to end, and waits until it has. */
  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#running;
  }

  /** From now on nothing of it reaches the API server. */
  kill(): void {
    this.#client.alive = false;
    this.#ended.abort();
  }
}
