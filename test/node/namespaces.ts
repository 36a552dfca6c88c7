/** Processes with namespaces of their own, and commands beside them. */
import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { eventually, Hopeless } from "../cluster/eventually.ts";
import { must } from "../support/command.ts";

const kinds = ["--mount", "--pid", "--net", "--uts"];

/** The start of a command line whose rest is run where the process is. */
export function beside(pid: number, which: readonly string[] = kinds): string[] {
  return ["nsenter", `--target=${pid}`, ...which, "--"];
}

/** Runs a command where a process is; its standard output. */
export async function mustBeside(
  pid: number,
  command: readonly string[],
  which?: readonly string[],
): Promise<string> {
  const [program = "", ...args] = [...beside(pid, which), ...command];
  return must(program, args);
}

export interface Namespaces {
  /** The first process in them; with it they end, and all that is in them. */
  pid: number;
  /** Ends when they have ended. */
  child: ChildProcess;
}

/**
 * Makes a mount, a process, a network and a host name space, which end with the process that asked
 * for them: killed by the kernel, so whatever happens.
 * @param init the program that is their first process; see pause/main.go.
 * @param tag of this one among all, which the program is given and ignores.
 * @param parent in whose namespaces the new ones are made, and with which they end, too.
 */
export async function makeNamespaces(
  init: string,
  tag: string,
  parent?: number,
): Promise<Namespaces> {
  const command = [
    ...["setpriv", "--pdeathsig", "KILL", "--", ...(parent === undefined ? [] : beside(parent))],
    ...["unshare", ...kinds, "--fork", "--kill-child", "--mount-proc", init, tag],
  ];
  const [program = "", ...args] = command;
  // In a session of its own: a Ctrl-C is for the tests alone.
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], detached: true });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text));
  child.on("error", (why) => (complaint += why.message));
  const pid = await eventually(() => {
    if (child.exitCode !== null || child.pid === undefined) {
      throw new Hopeless(`no namespaces can be made: ${complaint}`);
    }
    // Until it is the program, it has not finished preparing them.
    return findProcess([init, tag]);
  });
  return { pid, child };
}

/** The process that was started with exactly this command line. */
function findProcess(command: readonly string[]): number | undefined {
  const wanted = command.map((word) => `${word}\0`).join("");
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).find((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8") === wanted;
    } catch {
      return false;
    }
  });
}
