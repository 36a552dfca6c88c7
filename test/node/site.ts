/** Where the nodes are: a folder, a network and control groups of their own, and their end. */
import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Network } from "./network.ts";

/** What it takes to do something with a site, from any process. */
export interface SiteDescription {
  folder: string;
  /** The first process of the namespaces in which those of the nodes are. */
  pid: number;
  network: Network;
  /** The name of its control groups. */
  cgroup: string;
}

export interface Site extends SiteDescription {
  /**
   * Ends all that is in the site and removes all that it has left.
   * @throws Error that says what could not be removed.
   */
  end: () => Promise<void>;
}

const supervisor = fileURLToPath(new URL("supervisor.ts", import.meta.url));

/**
 * Makes a site, which does not outlive this process, however that ends.
 * @param pause the program of that name.
 */
export async function startSite(pause: string): Promise<Site> {
  // In a session of its own a Ctrl-C does not reach it. Its input is what tells it of our end.
  const child = spawn(process.execPath, [supervisor, pause], {
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text));
  child.stdin.on("error", () => undefined);
  const ended = endOf(child);
  const line = await Promise.race([firstLine(child), ended]);
  if (typeof line !== "string") throw new Error(`no site can be made: ${complaint}`);
  return {
    ...(JSON.parse(line) as SiteDescription),
    async end() {
      child.stdin.end();
      if ((await ended) !== 0) throw new Error(`the site could not be taken down: ${complaint}`);
    },
  };
}

async function firstLine({ stdout }: ChildProcess): Promise<string> {
  let text = "";
  return new Promise((resolve) => {
    stdout?.setEncoding("utf8").on("data", (more: string) => {
      text += more;
      if (text.endsWith("\n")) resolve(text);
    });
  });
}

async function endOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? -1));
  });
}
