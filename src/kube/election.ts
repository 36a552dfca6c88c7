/** Which of several instances leads: the holder of a Lease, by the rules of client-go. */
import { randomUUID } from "node:crypto";
import { isAlreadyExists, isConflict, isNotFound } from "./api-error.ts";
import type { Client } from "./client.ts";
import { silent, type Log } from "./log.ts";
import { microTime } from "./micro-time.ts";
import type { KubeObject, ResourceType } from "./resource-type.ts";
import type { LeaseSpec } from "kubernetes-types/coordination/v1.d.ts";
import { Deadline, wait } from "./wait.ts";

interface Lease extends KubeObject {
  spec?: LeaseSpec;
}

const Leases: ResourceType<Lease> = {
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  plural: "leases",
  namespaced: true,
};

/** Candidates wait up to so many times longer: client-go's JitterFactor, 1.2, and the wait itself. */
const JITTER = 1.2;

/** A timer may be a little early. */
const AFTER_SECONDS = 0.1;

export interface ElectionOptions {
  /** Not one that only writes while leading. */
  client: Client;
  namespace: string;
  name: string;
  /** Of this process, for people. */
  identity: string;
  /** How long others wait for a holder that is not heard. */
  leaseSeconds?: number;
  /** How long a holder leads without having been able to renew. */
  renewSeconds?: number;
  /** Between two attempts to renew or to take the lease. */
  retrySeconds?: number;
  log?: Log;
  /** In [0, 1). */
  random?: () => number;
}

/**
 * Moments in the lease are for people. Whether a holder is alive is told by whether its record
 * has changed, by the monotonic clock of who looks: clocks may differ and jump.
 */
export class Election {
  readonly #options: Required<ElectionOptions>;
  readonly #client: Client;
  /** As it was last seen, and since when (monotonic) it has been like this. */
  #seen: { lease: Lease; record: string; since: number } | undefined;
  /** Whether `#seen` is what we wrote, and no request since has failed. */
  #certain = false;
  /** When the request was sent that last renewed the lease; undefined while another has it. */
  #renewedAt: number | undefined;
  #told = false;

  constructor(options: ElectionOptions) {
    const defaults = {
      leaseSeconds: 15,
      renewSeconds: 10,
      retrySeconds: 2,
      log: silent,
      random: Math.random,
    };
    // Who finds its own identity in the lease takes it for its own: no other process, not even
    // this one's next life, may have the same.
    const identity = `${options.identity}_${randomUUID()}`;
    this.#options = { ...defaults, ...options, identity };
    // A request that hangs must leave time for another.
    this.#client = options.client.withTimeout(this.#options.renewSeconds * 500);
  }

  /**
   * True only while the last renewal is younger than renewSeconds by the monotonic clock: a
   * process that was frozen sees false as soon as it goes on.
   */
  get leading(): boolean {
    return this.#leadingSeconds > 0;
  }

  /** For how long the last renewal still holds. */
  get #leadingSeconds(): number {
    if (this.#renewedAt === undefined) return 0;
    return this.#options.renewSeconds - (performance.now() - this.#renewedAt) / 1000;
  }

  /**
   * Waits for the lease, holds it while `lead` runs, and gives it back. Where it is lost,
   * `lead`'s signal aborts, and once that has ended the waiting begins anew. Resolves when
   * `lead` has ended by itself or because the signal aborted; rejects where `lead` does.
   */
  async run(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { retrySeconds, random } = this.#options;
    while (!signal.aborted) {
      await this.#attempt();
      if (this.leading && (await this.#hold(lead, signal))) return;
      if (this.leading) continue;
      const pause = retrySeconds * (1 + JITTER * random());
      // Who waits for a lease that runs out looks again right when it has.
      const left = this.#takenSeconds;
      await wait(left > 0 ? Math.min(pause, left + AFTER_SECONDS) : pause, signal);
    }
  }

  /** Whether it is over: `lead` has ended, and not because the lease was lost. */
  async #hold(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<boolean> {
    using held = new Deadline(signal);
    const ended = new AbortController();
    const renewing = this.#renew(held, ended.signal);
    held.signal.addEventListener("abort", () => this.#tell(false));
    try {
      if (!signal.aborted) {
        this.#tell(true);
        await lead(held.signal);
      }
    } finally {
      // Until now, so that nobody else leads before the last of the work is done.
      ended.abort();
      await renewing;
      await this.#release();
      this.#tell(false);
    }
    return signal.aborted || !held.signal.aborted;
  }

  /** Renews the lease until `ended`, or until it is lost. */
  async #renew(held: Deadline, ended: AbortSignal): Promise<void> {
    const lost = (): Error => new Error("Another instance may be leading by now.");
    while (!ended.aborted && this.leading) {
      held.set(this.#leadingSeconds, lost);
      await wait(this.#options.retrySeconds, ended);
      if (!ended.aborted) await this.#attempt();
    }
    if (!ended.aborted) held.set(0, lost);
  }

  /** Tries once to take or to renew the lease; never rejects. */
  async #attempt(): Promise<void> {
    const { identity, log } = this.#options;
    try {
      if (!this.#certain) await this.#look();
      if (this.#takenSeconds > 0) {
        this.#renewedAt = undefined;
        return;
      }
      // Before it is sent: others may have seen it any time after.
      const sent = performance.now();
      await this.#write(identity);
      this.#renewedAt = sent;
    } catch (error) {
      this.#certain = false;
      // Others were quicker.
      if (isConflict(error) || isAlreadyExists(error)) return;
      log.warn({ error, identity }, "The lease could not be taken or renewed");
    }
  }

  async #look(): Promise<void> {
    const { namespace, name } = this.#options;
    try {
      this.#remember(await this.#client.get(Leases, { namespace, name }));
    } catch (error) {
      if (!isNotFound(error)) throw error;
      this.#seen = undefined;
    }
  }

  #remember(lease: Lease): void {
    const record = JSON.stringify(lease.spec);
    const since = this.#seen?.record === record ? this.#seen.since : performance.now();
    this.#seen = { lease, record, since };
  }

  /** For how long somebody else has the lease still, should nothing more be heard; else 0. */
  get #takenSeconds(): number {
    if (this.#seen === undefined) return 0;
    const { holderIdentity: holder = "", leaseDurationSeconds = 0 } = this.#seen.lease.spec ?? {};
    if (holder === "" || holder === this.#options.identity) return 0;
    return Math.max(0, leaseDurationSeconds - (performance.now() - this.#seen.since) / 1000);
  }

  async #write(holder: string): Promise<void> {
    const { namespace, name, leaseSeconds } = this.#options;
    const old = this.#seen?.lease.spec;
    const now = microTime();
    const same = old?.holderIdentity === holder;
    const spec: LeaseSpec = {
      holderIdentity: holder,
      // Whoever comes next need not wait for nobody.
      leaseDurationSeconds: holder === "" ? 1 : leaseSeconds,
      acquireTime: (same ? old.acquireTime : undefined) ?? now,
      renewTime: now,
      leaseTransitions:
        (old?.leaseTransitions ?? 0) + (same || old === undefined || holder === "" ? 0 : 1),
    };
    const { apiVersion, kind } = Leases;
    this.#remember(
      this.#seen === undefined
        ? await this.#client.create(Leases, {
            apiVersion,
            kind,
            metadata: { namespace, name },
            spec,
          })
        : await this.#client.replace(Leases, { ...this.#seen.lease, spec }),
    );
    this.#certain = true;
  }

  /** Gives the lease back, if it is still ours. */
  async #release(): Promise<void> {
    const { identity, log } = this.#options;
    this.#renewedAt = undefined;
    try {
      await this.#look();
      if (this.#seen?.lease.spec?.holderIdentity === identity) await this.#write("");
    } catch (error) {
      log.info({ error }, "The lease was not given back; it will expire");
    }
    this.#certain = false;
  }

  #tell(leading: boolean): void {
    if (this.#told === leading) return;
    this.#told = leading;
    const { identity, log } = this.#options;
    log.info({ identity }, leading ? "Leads now" : "Leads no more");
  }
}
