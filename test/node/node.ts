/** A node of the tests' own, to be used from any process: its programs, files and images. */
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually, Hopeless } from "../cluster/eventually.ts";
import { must } from "../support/command.ts";
import { containerdConfig, containerdSocket, type RuntimeOptions } from "./containerd.ts";
import { beside, mustBeside } from "./namespaces.ts";

/** Where containerd has what is Kubernetes'. */
const namespace = ["--address", containerdSocket, "--namespace", "k8s.io"];

export type Service = "containerd" | "kubelet" | "kube-proxy";

/** What it takes to do something with a node, from any process. */
export interface NodeDescription {
  name: string;
  address: string;
  /** The subnet of its pods. */
  pods: string;
  /** The first process of its namespaces, as this machine counts: with it the node ends. */
  pid: number;
  /** Where its files are; the same folder in the node as outside. */
  folder: string;
  /** The command that each program is started with. */
  commands: Record<Service, string[]>;
  ctr: string;
  runtime: RuntimeOptions;
  /** The folders of the plugins of the pods' network. */
  plugins: string[];
}

export class Node {
  readonly description: NodeDescription;

  constructor(description: NodeDescription) {
    this.description = description;
  }

  get name(): string {
    return this.description.name;
  }

  /** Runs a command in the node; its standard output. */
  async run(...command: string[]): Promise<string> {
    return mustBeside(this.description.pid, command);
  }

  /** What the node sees at a path, for programs outside: file systems that it has mounted too. */
  path(inNode: string): string {
    return join(`/proc/${this.description.pid}/root`, inNode);
  }

  log(service: Service): string {
    return this.#file(`${service}.log`);
  }

  /** Starts a program that is not running. */
  start(service: Service): void {
    const { pid, commands } = this.description;
    const pidFile = this.#file(`${service}.pid`);
    rmSync(pidFile, { force: true });
    const log = openSync(this.log(service), "a");
    // It writes the number that the node's own processes know it by: all of it at once.
    const script = 'echo $$ > "$0.new"; mv "$0.new" "$0"; exec "$@"';
    const command = [...beside(pid), "sh", "-euc", script, pidFile, ...commands[service]];
    const [program = "", ...args] = command;
    // It stays when the process that starts it ends, but not when the node does.
    spawn(program, args, { stdio: ["ignore", log, log], detached: true }).unref();
    closeSync(log);
  }

  /**
   * Ends a program, and resolves when it is gone. Containers go on without kubelet and containerd.
   */
  async stop(service: Service, signal: "TERM" | "KILL" = "TERM"): Promise<void> {
    const pid = this.#pidOf(service);
    if (pid === undefined) return;
    await this.run("sh", "-c", `kill -${signal} ${pid}`);
    await eventually(() => this.#pidOf(service) === undefined, { timeoutMs: 60_000 });
  }

  /** Starts a program unless it runs. */
  ensure(service: Service): void {
    if (this.#pidOf(service) === undefined) this.start(service);
  }

  async restart(service: Service, signal?: "TERM" | "KILL"): Promise<void> {
    await this.stop(service, signal);
    this.start(service);
    if (service === "containerd") await this.runtimeReady();
  }

  /** Restarts containerd with other settings. */
  async setRuntime(options: Partial<RuntimeOptions>): Promise<void> {
    this.description.runtime = { ...this.description.runtime, ...options };
    this.writeRuntimeConfig();
    await this.restart("containerd");
  }

  writeRuntimeConfig(): void {
    const { runtime, plugins } = this.description;
    writeFileSync(this.#file("containerd.toml"), containerdConfig(runtime, this.networks, plugins));
  }

  /** Where the description of the pods' network is. */
  get networks(): string {
    return this.#file("networks");
  }

  async runtimeReady(): Promise<void> {
    await this.ready("containerd", async () => {
      await this.#ctr("version");
      return true;
    });
  }

  /**
   * Resolves once the condition holds.
   * @throws Error with the end of the program's log, if it ends first or takes too long.
   */
  async ready(service: Service, condition: () => Promise<boolean>): Promise<void> {
    const check = async (): Promise<boolean> => {
      if (!existsSync(this.#file(`${service}.pid`))) return false;
      if (this.#pidOf(service) === undefined) throw this.#failure(service, "has ended");
      return condition();
    };
    await eventually(check, { timeoutMs: 60_000 }).catch((why: unknown) => {
      throw why instanceof Hopeless ? why : this.#failure(service, `is not ready: ${String(why)}`);
    });
  }

  /** Gives the node's containerd the images of an archive, as OCI's or Docker's tools write them. */
  async loadImage(archive: string): Promise<void> {
    const { snapshotter } = this.description.runtime;
    const before = new Set(await this.#images());
    const { pid, ctr } = this.description;
    // By ctr itself: containerd is set up to unpack for its own favourite snapshotter only.
    const command = [...beside(pid), ctr, ...namespace, "images", "import", "--local"];
    // Through its input: where the archive is, the node may have another folder.
    const script = 'archive=$0; exec "$@" < "$archive"';
    await must("sh", ["-euc", script, archive, ...command, "--snapshotter", snapshotter, "-"]);
    const added = (await this.#images()).filter((image) => !before.has(image));
    // The kubelet may use them as soon as containerd's part for Kubernetes has heard of them.
    await eventually(async () => {
      const managed = await this.#images('labels."io.cri-containerd.image"==managed');
      return added.every((image) => managed.includes(image));
    });
  }

  /** SIGKILL to all processes of a container. */
  async killContainer(id: string): Promise<void> {
    await this.#ctr("tasks", "kill", "--signal", "SIGKILL", "--all", id);
  }

  async #images(...filters: string[]): Promise<string[]> {
    const names = await this.#ctr("images", "ls", "--quiet", ...filters);
    return names.split("\n").filter((name) => name !== "");
  }

  async #ctr(...args: string[]): Promise<string> {
    return this.run(this.description.ctr, ...namespace, ...args);
  }

  /** As the node counts; undefined if it does not run. */
  #pidOf(service: Service): number | undefined {
    const file = this.#file(`${service}.pid`);
    const pid = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
    return pid > 0 && existsSync(this.path(`/proc/${pid}`)) ? pid : undefined;
  }

  #file(name: string): string {
    return join(this.description.folder, name);
  }

  #failure(service: Service, what: string): Error {
    const last = readFileSync(this.log(service), "utf8").trimEnd().split("\n").slice(-20);
    const log = `The end of its log ${this.log(service)}:\n${last.join("\n")}`;
    return new Hopeless(`${service} of ${this.name} ${what}. ${log}`);
  }
}

/** Whether overlayfs can have a folder's files on top: on another overlay, for one, it cannot. */
export async function snapshotterFor(folder: string): Promise<RuntimeOptions["snapshotter"]> {
  const script = `
    cd "$0"
    mkdir -p probe/lower probe/upper probe/work probe/merged
    mount -t overlay -o lowerdir=probe/lower,upperdir=probe/upper,workdir=probe/work \
      overlay probe/merged`;
  try {
    await must("unshare", ["--mount", "sh", "-euc", script, folder]);
    return "overlayfs";
  } catch {
    return "native";
  }
}
