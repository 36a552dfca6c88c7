/** The Lease by which replicas agree who leads, as it is seen from outside. */
import { onTestFinished } from "vitest";
import type { Lease } from "kubernetes-types/coordination/v1.d.ts";
import type { Client } from "../client.ts";
import { ACCOUNT } from "./world.ts";

export class LeaseOnServer {
  readonly name: string;
  readonly path: string;
  readonly #admin: Client;

  /** @param name of a test of its own, in the controller's namespace; it goes with the test. */
  constructor(admin: Client, name: string) {
    this.#admin = admin;
    this.name = name;
    this.path = `/apis/coordination.k8s.io/v1/namespaces/${ACCOUNT.namespace}/leases/${name}`;
    onTestFinished(async () => this.delete());
  }

  /** Who has it, by the identity that its process was given; empty if nobody. */
  async holder(): Promise<string | undefined> {
    const lease = await this.#admin.find<Lease>(this.path);
    return lease?.spec?.holderIdentity?.replace(/_[^_]*$/, "");
  }

  async delete(): Promise<void> {
    await this.#admin.delete(this.path);
  }
}
