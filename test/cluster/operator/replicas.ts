/** Several controllers of which one leads. */
import type { Client } from "../client.ts";
import { cluster } from "../cluster.ts";
import type { Access } from "../control-plane.ts";
import { eventually } from "../eventually.ts";
import { credentials, kubeconfigOf, type Credentials } from "./account.ts";
import { LeaseOnServer } from "./leases.ts";
import { startReady, type ControllerProcess } from "./process.ts";
import type { World } from "./world.ts";

export interface Replica {
  identity: string;
  who: Credentials;
  controller: ControllerProcess;
}

export class Replicas {
  readonly lease: LeaseOnServer;
  readonly #admin: Client;
  readonly #space: string;
  readonly #access: Access;

  /** For the ImageDiffs of one namespace, by a lease of its own. */
  constructor({ admin, space }: World, access: Access = cluster()) {
    this.#admin = admin;
    this.#space = space;
    this.#access = access;
    this.lease = new LeaseOnServer(admin, space);
  }

  /** Starts one that is ready to lead. */
  async start(identity: string, server?: string): Promise<Replica> {
    const who = await credentials(this.#admin);
    const controller = await startReady({
      kubeconfig: kubeconfigOf(who, server, this.#access),
      namespaces: [this.#space],
      lease: this.lease.name,
      flags: ["--identity", identity],
    });
    return { identity, who, controller };
  }
}

/** Resolves once a replica leads, with the seconds that it took since a moment. */
export async function leadsAfter(
  { controller }: Replica,
  since: number,
  timeoutMs = 30_000,
): Promise<number> {
  await eventually(async () => controller.leads(), { timeoutMs });
  return (performance.now() - since) / 1000;
}
