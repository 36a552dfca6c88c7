/**
 * A real control plane: etcd, kube-apiserver and kube-controller-manager as processes of this
 * machine, in a folder, for as long as the tests need it.
 */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { binaries } from "./binaries.ts";
import { Client, type KubeObject } from "./client.ts";
import { Daemon } from "./daemon.ts";
import {
  apiServerArguments,
  auditPolicy,
  controllerManagerArguments,
  etcdArguments,
  type Paths,
} from "./flags.ts";
import { Authority, makeTokenKey } from "./keys.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import { applyManifests, readManifests } from "./manifests.ts";
import { freePort } from "./port.ts";

/** What it takes to reach a control plane, from any process. */
export interface Access {
  /** The URL of the API server. */
  server: string;
  caPem: string;
  /** Of a user in the group system:masters. */
  adminToken: string;
  /** A file with one line of JSON for each stage of each request. */
  auditLog: string;
  /** Where its files are: keys, logs and data. */
  folder: string;
}

type Programs = Record<"etcd" | "kube-apiserver" | "kube-controller-manager", string>;

export interface ControlPlaneOptions {
  /**
   * What is there before the controllers start: manifests, or the paths of files or folders of
   * them.
   */
  manifests?: ReadonlyArray<string | KubeObject>;
  /** Where the API server listens, if not on the loopback device, where no pod can call it. */
  address?: string;
  /** All addresses of servers with certificates, such as those of kubelets. */
  servers?: readonly string[];
  /** Which controllers run, as `kube-controller-manager --controllers` takes them. */
  controllers?: readonly string[];
}

/** A client that may do everything; whoever asks for it closes it. */
export function adminOf({ server, caPem, adminToken }: Access): Client {
  return new Client({ server, caPem, token: adminToken });
}

/** Writes a kubeconfig file for the bearer of a token, and returns its path. */
export function kubeconfigFor({ folder, server, caPem }: Access, token: string): string {
  const name = createHash("sha256").update(token).digest("hex").slice(0, 16);
  return writeKubeconfig(join(folder, "keys", `${name}.kubeconfig`), server, caPem, { token });
}

/**
 * Starts one; everything that it makes is in the folder, which stays.
 * @throws Error that says what is missing, or with the end of the log of what does not start.
 */
export async function startControlPlane(
  folder: string,
  options: ControlPlaneOptions = {},
): Promise<ControlPlane> {
  const plane = await ControlPlane.prepare(folder, options);
  try {
    await plane.start(options);
  } catch (why) {
    await plane.stop();
    throw why;
  }
  return plane;
}

export class ControlPlane implements Access {
  readonly folder: string;
  readonly adminToken = randomBytes(16).toString("hex");
  readonly auditLog: string;
  readonly caPem: string;
  #port = 0;
  readonly #paths: Paths;
  readonly #programs: Programs;
  #etcd: Daemon | undefined;
  #apiServer: Daemon | undefined;
  #controllers: Daemon | undefined;

  private constructor(folder: string, programs: Programs, paths: Paths, caPem: string) {
    this.folder = folder;
    this.auditLog = paths.auditLog;
    this.caPem = caPem;
    this.#programs = programs;
    this.#paths = paths;
  }

  /** Finds the programs and makes the keys, without starting anything. */
  static async prepare(folder: string, options: ControlPlaneOptions): Promise<ControlPlane> {
    const { address = "127.0.0.1", servers = [] } = options;
    const programs = await binaries("etcd", "kube-apiserver", "kube-controller-manager");
    mkdirSync(join(folder, "logs"), { recursive: true });
    const authority = await Authority.create(join(folder, "keys"), [address, ...servers]);
    const [serving, kubeletClient, controllers] = await Promise.all([
      authority.sign("api-server", "kube-apiserver"),
      authority.sign("kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
      authority.sign("controllers", "system:kube-controller-manager"),
    ]);
    const paths: Paths = {
      folder,
      address,
      etcdSocket: join(folder, "etcd.sock"),
      authority: authority.certificate,
      serving,
      kubeletClient,
      controllers,
      tokenKey: makeTokenKey(join(folder, "keys")),
      tokens: join(folder, "keys", "tokens.csv"),
      auditPolicy: join(folder, "audit-policy.json"),
      auditLog: join(folder, "logs", "audit.log"),
    };
    const plane = new ControlPlane(folder, programs, paths, authority.pem);
    writeFileSync(paths.tokens, `${plane.adminToken},admin,admin,system:masters\n`);
    writeFileSync(paths.auditPolicy, JSON.stringify(auditPolicy));
    return plane;
  }

  get server(): string {
    return `https://${this.#paths.address}:${this.#port}`;
  }

  /** The process numbers of what runs. */
  get pids(): Record<string, number | undefined> {
    return {
      etcd: this.#etcd?.pid,
      "kube-apiserver": this.#apiServer?.pid,
      "kube-controller-manager": this.#controllers?.pid,
    };
  }

  /** Writes a kubeconfig file for the bearer of a token or for `admin`; returns its path. */
  kubeconfig(token: string): string {
    return kubeconfigFor(this, token === "admin" ? this.adminToken : token);
  }

  async start({ manifests = [], controllers }: ControlPlaneOptions): Promise<void> {
    this.#etcd = this.#daemon("etcd", etcdArguments(this.#paths));
    await this.#etcd.ready(async () => existsSync(this.#paths.etcdSocket));
    await this.#startApiServerAnywhere();
    await this.#asAdmin(async (admin) => {
      // The garbage collector learns of new kinds only every half minute: what there is when it
      // starts, it knows.
      await applyManifests(
        admin,
        manifests.flatMap((given) => (typeof given === "string" ? readManifests(given) : given)),
      );
      this.#startControllers(controllers);
      const account = "/api/v1/namespaces/default/serviceaccounts/default";
      const rootCa = "/api/v1/namespaces/default/configmaps/kube-root-ca.crt";
      await this.#controllers?.ready(
        async () =>
          (await admin.find(account)) !== undefined && (await admin.find(rootCa)) !== undefined,
      );
    });
  }

  /**
   * Ends the API server and waits until it is gone. The rest of the control plane stays.
   * @param signal SIGTERM, upon which it takes its leave for two seconds, or SIGKILL.
   */
  async stopApiServer(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    await this.#apiServer?.stop(signal);
    this.#apiServer = undefined;
  }

  /** From now on the API server is silent, without closing any connection, until it is thawed. */
  freezeApiServer(): void {
    this.#apiServer?.signal("SIGSTOP");
  }

  thawApiServer(): void {
    this.#apiServer?.signal("SIGCONT");
  }

  /** Starts it again, on the same port and with the same data. */
  async startApiServer(): Promise<void> {
    const daemon = this.#daemon("kube-apiserver", apiServerArguments(this.#paths, this.#port));
    this.#apiServer = daemon;
    await this.#asAdmin(async (admin) =>
      daemon.ready(async () => (await admin.text("/readyz")) === "ok"),
    );
  }

  async restartApiServer(signal?: "SIGTERM" | "SIGKILL"): Promise<void> {
    await this.stopApiServer(signal);
    await this.startApiServer();
  }

  /** Ends all of it; what it has written stays. */
  async stop(): Promise<void> {
    // Each would complain about the one that it talks to.
    for (const daemon of [this.#controllers, this.#apiServer, this.#etcd]) await daemon?.stop();
    this.#controllers = undefined;
    this.#apiServer = undefined;
    this.#etcd = undefined;
  }

  /** Ends all of it at once, without waiting: for a process that is about to exit. */
  kill(): void {
    for (const daemon of [this.#controllers, this.#apiServer, this.#etcd]) {
      daemon?.signal("SIGKILL");
    }
  }

  /** Somebody may take a free port before the server does: then it needs another. */
  async #startApiServerAnywhere(attempts = 5): Promise<void> {
    this.#port = await freePort();
    try {
      await this.startApiServer();
    } catch (why) {
      await this.stopApiServer();
      if (attempts === 1 || !String(why).includes("address already in use")) throw why;
      await this.#startApiServerAnywhere(attempts - 1);
    }
  }

  #startControllers(names: readonly string[] | undefined): void {
    const { folder, controllers } = this.#paths;
    const kubeconfig = writeKubeconfig(
      join(folder, "keys", "controllers.kubeconfig"),
      this.server,
      this.caPem,
      controllers,
    );
    const args = controllerManagerArguments(this.#paths, kubeconfig, names);
    this.#controllers = this.#daemon("kube-controller-manager", args);
  }

  #daemon(name: keyof Programs, args: readonly string[]): Daemon {
    return new Daemon(name, this.#programs[name], args, join(this.folder, "logs", `${name}.log`));
  }

  async #asAdmin<T>(use: (admin: Client) => Promise<T>): Promise<T> {
    const admin = adminOf(this);
    try {
      return await use(admin);
    } finally {
      await admin.close();
    }
  }
}
