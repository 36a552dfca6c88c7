/** `imagediff controller` as a process of its own, as a cluster runs it. */
import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { eventually, Hopeless } from "../eventually.ts";
import { parseMetrics, type Metrics } from "./exposition.ts";

/** One line of its log. */
export interface LogLine {
  level: number;
  time: string;
  msg: string;
  port?: number;
  [field: string]: unknown;
}

/** How it ended, and how long that took since it was asked to. */
export interface End {
  code: number | null;
  signal: NodeJS.Signals | null;
  seconds: number;
}

export interface StartOptions {
  kubeconfig: string;
  /** All if empty. */
  namespaces?: readonly string[];
  /** The Lease by which it is elected; alone if not given. */
  lease?: string;
  flags?: readonly string[];
}

const launcher = fileURLToPath(new URL("../../../bin/imagediff", import.meta.url));

/** What the machine of whoever runs the tests has set must not reach the process. */
const foreign = /^(KUBECONFIG|KUBERNETES_|IMAGEDIFF_|NODE_OPTIONS$|VITEST)/;

/** A start takes a second of the processor, of which others may have more than their share. */
const BUSY = { timeoutMs: 120_000 };

/** Starts it and waits for its port; it ends with the running test at the latest. */
export async function startProcess(options: StartOptions): Promise<ControllerProcess> {
  const { kubeconfig, namespaces = [], lease, flags = [] } = options;
  const controller = new ControllerProcess([
    ...["--kubeconfig", kubeconfig, "--listen", "127.0.0.1:0"],
    ...["--engine-image", "example.com/imagediff-engine:test"],
    ...(namespaces.length === 0 ? [] : ["--namespaces", namespaces.join(",")]),
    ...(lease === undefined
      ? ["--no-leader-elect"]
      : ["--lease-namespace", "imagediff-system", "--lease-name", lease]),
    ...flags,
  ]);
  await eventually(() => controller.port !== undefined, BUSY);
  return controller;
}

/** The same, and waits until it knows the cluster. */
export async function startReady(options: StartOptions): Promise<ControllerProcess> {
  const controller = await startProcess(options);
  await eventually(async () => (await controller.probe("/readyz")) === 200, BUSY);
  return controller;
}

export class ControllerProcess {
  /** What it has logged so far. */
  readonly lines: LogLine[] = [];
  /** Whatever else it wrote, standard error included. */
  readonly words: string[] = [];
  readonly exited: Promise<Omit<End, "seconds">>;
  readonly #child: ChildProcess;
  #ended = false;

  /** Starts `imagediff controller` with these arguments, whatever comes of it. */
  constructor(args: readonly string[], env: Record<string, string> = {}) {
    const kept = Object.entries(process.env).filter(([name]) => !foreign.test(name));
    // The kernel ends it should this process be killed; setpriv and the launcher become it, so
    // that all three have one pid.
    this.#child = spawn("setpriv", ["--pdeathsig", "KILL", "--", launcher, "controller", ...args], {
      env: { ...Object.fromEntries(kept), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#read(this.#child.stdout);
    this.#read(this.#child.stderr);
    this.exited = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      // Not `exit`: by then all that it said has been read.
      this.#child.once("close", (code, signal) => {
        this.#ended = true;
        resolve({ code, signal });
      });
    });
    onTestFinished(async () => {
      this.kill();
      await this.exited;
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Where it serves its endpoints; undefined until it says so. */
  get port(): number | undefined {
    if (this.#ended) throw new Hopeless(`the controller has ended:\n${this.#last()}`);
    return this.lines.find(({ port }) => port !== undefined)?.port;
  }

  /** The status code of one of its paths. */
  async probe(path: string): Promise<number> {
    const response = await this.fetch(path);
    await response.arrayBuffer();
    return response.status;
  }

  async fetch(path: string): Promise<Response> {
    // No connection is kept: it would have to be told from one of a process that was there before.
    return fetch(`http://127.0.0.1:${this.port}${path}`, { headers: { connection: "close" } });
  }

  async metrics(): Promise<Metrics> {
    return parseMetrics(await (await this.fetch("/metrics")).text());
  }

  /** Whether it leads by its own account. */
  async leads(): Promise<boolean> {
    return (await this.metrics()).value("imagediff_leader") === 1;
  }

  /** Lines with this message. */
  said(msg: string): LogLine[] {
    return this.lines.filter((line) => line.msg === msg);
  }

  /** Asks it to end, and resolves when it has. */
  async stop(): Promise<End> {
    const begun = performance.now();
    this.#child.kill("SIGTERM");
    const end = await this.exited;
    return { ...end, seconds: (performance.now() - begun) / 1000 };
  }

  /** Ends it between two instructions, unless it is gone. */
  kill(): void {
    if (!this.#ended) this.#child.kill("SIGKILL");
  }

  freeze(): void {
    this.#child.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child.kill("SIGCONT");
  }

  #read(stream: NodeJS.ReadableStream | null): void {
    if (stream === null) return;
    createInterface({ input: stream }).on("line", (line) => {
      if (line.startsWith("{")) this.lines.push(JSON.parse(line) as LogLine);
      else this.words.push(line);
    });
  }

  #last(): string {
    return [...this.lines.slice(-10).map((line) => JSON.stringify(line)), ...this.words].join("\n");
  }
}
