/** Some resources that want to run at once, and how far their Jobs are. */
import { plan } from "../../../src/operator/plan/plan.ts";
import { actions, observed, settings } from "./builders.ts";

/** How many there are. */
export const QUEUED = 6;

/** One of them is looked at, or its pod is placed on a node, or its Job ends. */
export interface Move {
  who: number;
  what: "plan" | "place" | "end";
  node: number;
}

export class Queue {
  readonly #caps: { maxJobs: number; maxJobsPerNode: number };
  /** The node of each Job's pod, once it is placed. */
  readonly #jobs = new Map<number, number | undefined>();
  readonly #waiting = new Set<number>();
  readonly done = new Set<number>();

  constructor(caps: { maxJobs: number; maxJobsPerNode: number }) {
    this.#caps = caps;
  }

  get jobs(): number {
    return this.#jobs.size;
  }

  get mostOnNode(): number {
    return Math.max(0, ...this.#perNode().values());
  }

  move({ who, what, node }: Move): void {
    if (what === "plan" && !this.#jobs.has(who) && !this.done.has(who)) this.#ask(who);
    if (what === "place" && this.#jobs.has(who)) this.#jobs.set(who, this.#jobs.get(who) ?? node);
    if (what === "end" && this.#jobs.get(who) !== undefined) {
      this.#jobs.delete(who);
      this.done.add(who);
    }
  }

  #ask(who: number): void {
    const order = [...this.#waiting];
    const waitingBefore = this.#waiting.has(who) ? order.indexOf(who) : order.length;
    const unplaced = [...this.#jobs.values()].filter((node) => node === undefined).length;
    const perNode = this.#perNode();
    const load = { jobs: this.jobs, unplaced, perNode, starting: false, waitingBefore };
    const planned = plan(observed({ settings: { ...settings, ...this.#caps }, load }));
    if (planned.waitsForPlace === true) this.#waiting.add(who);
    else this.#waiting.delete(who);
    if (actions(planned).includes("CreateJob")) this.#jobs.set(who, undefined);
  }

  #perNode(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const node of this.#jobs.values()) {
      const name = `node-${node}`;
      if (node !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return counts;
  }
}
