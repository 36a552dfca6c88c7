/** Programs that run beside the tests, and never longer than they do. */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { eventually, Hopeless } from "./eventually.ts";

/** How long a program may take to end by itself before it is killed. */
const patienceMs = 10_000;

/** One running program; what it says goes to a file. */
export class Daemon {
  readonly name: string;
  readonly log: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #end: string | undefined;

  constructor(name: string, program: string, args: readonly string[], log: string) {
    this.name = name;
    this.log = log;
    const output = openSync(log, "a");
    // Were this process killed, nobody would be left to stop the program: the kernel does, as
    // setpriv asks it to before it becomes the program. In a session of its own a Ctrl-C does not
    // reach the program, which has to outlive the tests that end by it.
    this.#child = spawn("setpriv", ["--pdeathsig", "KILL", "--", program, ...args], {
      stdio: ["ignore", output, output],
      detached: true,
    });
    closeSync(output);
    this.#exited = new Promise((resolve) => {
      const ended = (how: string): void => {
        this.#end ??= how;
        resolve();
      };
      this.#child.once("error", (why) => ended(why.message));
      this.#child.once("exit", (code, signal) => ended(`it ended with ${code ?? signal}`));
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The error of a program that is not what it should be, with the last that it said. */
  failure(what: string): Error {
    const last = readFileSync(this.log, "utf8").trimEnd().split("\n").slice(-20).join("\n");
    return new Hopeless(`${this.name} ${what}. The end of its log ${this.log}:\n${last}`);
  }

  /**
   * Resolves once the condition holds.
   * @throws Error with the end of the program's log, if it ends first or takes too long.
   */
  async ready(condition: () => Promise<boolean>, timeoutMs = 60_000): Promise<void> {
    const check = async (): Promise<boolean> => {
      if (this.#end !== undefined) throw this.failure(`did not start: ${this.#end}`);
      return condition();
    };
    try {
      await eventually(check, { timeoutMs });
    } catch (why) {
      if (why instanceof Hopeless) throw why;
      throw this.failure(`is not ready after ${timeoutMs} ms: ${String(why)}`);
    }
  }

  /** Sends a signal, unless the program is gone. */
  signal(signal: NodeJS.Signals): void {
    if (this.#end === undefined) this.#child.kill(signal);
  }

  /** Ends the program, and resolves when it is gone. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.signal(signal);
    // It may be frozen.
    this.signal("SIGCONT");
    const impatient = setTimeout(() => this.signal("SIGKILL"), patienceMs);
    await this.#exited;
    clearTimeout(impatient);
  }
}
