/** Who may have a Job next: the cap on Jobs that run at once, first come, first served. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { compareVersions } from "../../kube/resource-version.ts";
import { keyOf, keyText, type ObjectKey } from "../../kube/resource-type.ts";
import type { Change } from "../../kube/store.ts";
import type { Load } from "../plan/observation.ts";
import { pinnedNode } from "../plan/job/affinity.ts";
import { awaitsPod, controllerUid, hasEnded, takesPlace } from "./indexes.ts";
import type { Objects } from "./scoped.ts";

/** The ImageDiff whose Job it is. */
export interface Owner {
  name: string;
  uid: string;
}

/** A Job that was told to start and may or may not be there. */
export interface UnsettledJob {
  job: ObjectKey;
  /** Whether its ImageDiff is gone, so that it goes too. */
  orphaned: boolean;
}

interface Reservation {
  job: ObjectKey;
  owner: Owner;
  /** The Job as it was told to start; absent until the API server has answered. */
  started?: Job;
  /** Whether something went wrong: nobody knows whether the Job starts. */
  inDoubt: boolean;
}

export class Places {
  readonly #jobs: Objects<Job>;
  readonly #pods: Objects<Pod>;
  /** Keys of resources that wait, in the order in which they asked. */
  readonly #waiting = new Set<string>();
  /** Jobs that were told to start, before the cache has heard of it, by their keys. */
  readonly #reserved = new Map<string, Reservation>();
  readonly #onRelease: () => void;

  /** @param onRelease called after a reserved place was given back. */
  constructor(jobs: Objects<Job>, pods: Objects<Pod>, onRelease: () => void = () => {}) {
    this.#jobs = jobs;
    this.#pods = pods;
    this.#onRelease = onRelease;
  }

  /** What others have under way, as the resource with that key and uid sees it. */
  load(key: string, uid: string, now: Date): Load {
    const others = this.#jobs
      .by("place", "taken")
      .filter((job) => !controllerUid(job).includes(uid));
    const all = this.#reservedOnly();
    const reserved = all.filter(({ owner }) => owner.uid !== uid).length;
    const perNode = new Map<string, number>();
    let unplaced = reserved;
    for (const job of others) {
      const pod = this.#pods.by("job", keyText(keyOf(job))).find((each) => !hasEnded(each));
      const node = pod?.spec?.nodeName ?? pinnedNode(job.spec?.template.spec?.affinity);
      if (pod === undefined && !awaitsPod(job, now)) continue;
      if (node === undefined) unplaced += 1;
      else perNode.set(node, (perNode.get(node) ?? 0) + 1);
    }
    // Who has a place already does not queue for one.
    const isServed = [...this.#reserved.values()].some(({ owner }) => owner.uid === uid);
    const waitingBefore = isServed ? 0 : this.#before(key);
    return { jobs: others.length + reserved, unplaced, perNode, starting: isServed, waitingBefore };
  }

  /** Those that do not seem to be at work to the cache. */
  #reservedOnly(): Reservation[] {
    return [...this.#reserved.values()].filter(({ job }) => {
      const cached = this.#jobs.get(job);
      return cached === undefined || !takesPlace(cached);
    });
  }

  #before(key: string): number {
    let before = 0;
    for (const each of this.#waiting) {
      if (each === key) break;
      before += 1;
    }
    return before;
  }

  /** Notes whether a resource waits; one that goes on waiting keeps its turn. */
  settle(key: string, waits: boolean): void {
    if (waits) this.#waiting.add(key);
    else this.#waiting.delete(key);
  }

  isWaiting(key: string): boolean {
    return this.#waiting.has(key);
  }

  /** The next resources to ask, at most so many. */
  next(count: number): string[] {
    return [...this.#waiting.values().take(count)];
  }

  /** Counts a Job from the moment at which it is told to start, until the cache is as far. */
  reserve(job: ObjectKey, owner: Owner): void {
    this.#reserved.set(keyText(job), { job, owner, inDoubt: false });
  }

  /** The names of a namespace's ImageDiffs that have such a reservation. */
  reservations(namespace: string): string[] {
    return this.#ownersIn(namespace).map(({ owner }) => owner.name);
  }

  /** Keys of all ImageDiffs that have one, or wait for a place. */
  keys(): string[] {
    const holders = [...this.#reserved.values()].map(({ job: { namespace }, owner: { name } }) =>
      keyText({ namespace, name }),
    );
    return [...holders, ...this.#waiting];
  }

  /** The Job did not start, or is gone. */
  release(job: ObjectKey): void {
    if (this.#reserved.delete(keyText(job))) this.#onRelease();
  }

  /** Whether the Job starts is not known: it keeps its place until that is. */
  doubt(job: ObjectKey): void {
    const reservation = this.#reserved.get(keyText(job));
    if (reservation !== undefined) reservation.inDoubt = true;
  }

  /** The Job does start: this is what the API server has of it. */
  confirm(started: Job): void {
    const key = keyText(keyOf(started));
    const reservation = this.#reserved.get(key);
    if (reservation === undefined) return;
    reservation.started = started;
    reservation.inDoubt = false;
    const after = this.#jobs.get(keyOf(started));
    if (after !== undefined) this.heard({ after });
  }

  /**
   * The Jobs of the ImageDiffs that have or had a name, of which the cache may never hear: they
   * are in doubt, or may come and go between two of its lists.
   * @param uid of the ImageDiff that has the name now.
   */
  unsettled({ namespace, name }: ObjectKey, uid: string | undefined): UnsettledJob[] {
    return this.#ownersIn(namespace)
      .filter(({ owner }) => owner.name === name)
      .filter(
        ({ job, owner, inDoubt, started }) =>
          inDoubt || owner.uid !== uid || (started !== undefined && !this.#jobs.get(job)),
      )
      .map(({ job, owner }) => ({ job, orphaned: owner.uid !== uid }));
  }

  #ownersIn(namespace: string | undefined): Reservation[] {
    return [...this.#reserved.values()].filter(({ job }) => job.namespace === namespace);
  }

  /** The cache has heard of a Job. */
  heard(change: Change<Job>): void {
    const job = change.after ?? change.before;
    if (job === undefined) return;
    const key = keyText(keyOf(job));
    const { started } = this.#reserved.get(key) ?? {};
    if (started === undefined || !isAsFar(started, change)) return;
    this.#reserved.delete(key);
    // It may have ended before anybody knew that it had begun.
    if (change.after === undefined || !takesPlace(change.after)) this.#onRelease();
  }

  /** How many more Jobs may run at once under a cap. */
  free(maxJobs: number | undefined): number {
    const running = this.#jobs.by("place", "taken").length + this.#reservedOnly().length;
    return maxJobs === undefined ? Infinity : Math.max(0, maxJobs - running);
  }
}

/** Whether a change of a Job gives a place back. */
export function freesPlace({ before, after }: Change<Job>): boolean {
  return before !== undefined && takesPlace(before) && (after === undefined || !takesPlace(after));
}

/** Whether the cache knows of a Job's start or of what came after it, not of what was before. */
function isAsFar({ metadata: started }: Job, { before, after }: Change<Job>): boolean {
  // A Job that was deleted may have been another one of that name.
  if (after === undefined) return before?.metadata?.uid === started?.uid;
  const { resourceVersion = "" } = after.metadata ?? {};
  const order = compareVersions(resourceVersion, started?.resourceVersion ?? "");
  return order === undefined ? after.metadata?.uid === started?.uid : order >= 0;
}
