/** What people do: they make, edit and delete, and use claims for a while. */
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { API_VERSION, KIND } from "../../../../src/api/resource.ts";
import { keyOf } from "../../../../src/kube/resource-type.ts";
import {
  ImageDiffs,
  Jobs,
  Pods,
  type StoredImageDiff,
} from "../../../../src/operator/resources.ts";
import {
  NAMESPACE,
  type Afterwards,
  type Fields,
  type ImageDiffScript,
  type Interruption,
  type Script,
  type UserScript,
} from "../script.ts";
import type { ApiServer } from "../server/api-server.ts";
import { bindClaim, makeClaim } from "./claims.ts";
import type { Timers } from "../timers.ts";
import type { Engines } from "./engines.ts";
import type { Kubelet } from "./kubelet.ts";
import { controllerOf, hasEnded, isLeaving, uidOf } from "./pods.ts";

/** Seconds between two things that somebody does on purpose one after the other. */
const PAUSE_SECONDS = 3;

export class People {
  readonly #server: ApiServer;
  readonly #engines: Engines;
  readonly #kubelet: Kubelet;
  readonly #timers: Timers;
  /** How often spec.job was edited, by uid: no two edits are alike. */
  readonly #jobEdits = new Map<string, number>();
  /** What is done as soon as something is so. */
  readonly #waits = new Set<() => boolean>();

  constructor(server: ApiServer, engines: Engines, kubelet: Kubelet, timers: Timers) {
    this.#timers = timers;
    this.#server = server;
    this.#engines = engines;
    this.#kubelet = kubelet;
    engines.interrupt = (interruption, uid, pod) => this.#interrupt(interruption, uid, pod);
    engines.raise = (uid, backoffLimit) => this.#edit(uid, { backoffLimit });
    server.listen(() => {
      for (const wait of this.#waits) if (wait()) this.#waits.delete(wait);
    });
  }

  begin({ claims, users, imageDiffs }: Script): void {
    for (const claim of claims) {
      this.#after(claim.appearsAt, () => makeClaim(this.#server, claim));
      this.#after(claim.boundAt, () => bindClaim(this.#server, claim));
    }
    for (const user of users) {
      this.#after(user.comesAt, () => this.#use(user));
      this.#after(user.goesAt, () => this.#leave(user));
    }
    for (const script of imageDiffs) this.#live(script);
  }

  #live(script: ImageDiffScript): void {
    const { appearsAt, edits, deletedAt, afterwards, successor } = script;
    this.#after(appearsAt, () => {
      const uid = this.#make(script);
      for (const edit of edits) {
        this.#after(edit.at - appearsAt, () => this.#edit(uid, edit.spec));
      }
      if (deletedAt !== undefined) this.#after(deletedAt - appearsAt, () => this.#delete(uid));
      this.#once(
        () => this.#find(uid)?.status?.completionTime !== undefined,
        () => this.#finish(uid, afterwards),
        () => this.#find(uid) === undefined,
      );
      if (successor === undefined) return;
      this.#once(
        () => this.#find(uid) === undefined,
        () => this.#live({ ...successor, appearsAt: PAUSE_SECONDS }),
      );
    });
  }

  #make(script: Omit<ImageDiffScript, "successor">): string {
    const { name, spec } = script;
    // Names of Jobs come from it: they shall be the same in another run of the script.
    const lives = [...this.#engines.stories.values()].filter((life) => life.script.name === name);
    const digits = `${Buffer.from(name).toString("hex")}${lives.length}`;
    const uid = `00000000-0000-4000-8000-${digits.padStart(12, "0").slice(-12)}`;
    const story = { uid, script, next: 0, interrupted: new Set<number>(), succeeded: 0 };
    this.#engines.stories.set(uid, story);
    this.#server.create(ImageDiffs, {
      apiVersion: API_VERSION,
      kind: KIND,
      metadata: { name, namespace: NAMESPACE, uid },
      spec,
    });
    return uid;
  }

  #finish(uid: string, afterwards: readonly Afterwards[]): void {
    for (const [index, what] of afterwards.entries()) {
      this.#after(PAUSE_SECONDS * (index + 1), () => this.#do(what, uid));
    }
  }

  #do(what: Afterwards, uid: string): void {
    switch (what) {
      case "deleteJob":
        for (const job of this.#jobs(uid)) this.#server.delete(Jobs, keyOf(job), "Background");
        return;
      case "deletePods":
        for (const pod of this.#pods(uid)) this.#server.delete(Pods, keyOf(pod));
        return;
      case "editJob":
        return this.#edit(uid, { job: { labels: { tier: "edited" } } });
      case "suspend":
        return this.#edit(uid, { suspend: true });
      case "useSources":
        return this.#useSources(uid);
      case "deleteImageDiff":
        return this.#delete(uid);
    }
  }

  #useSources(uid: string): void {
    const found = this.#find(uid);
    if (found === undefined) return;
    const { base, modified } = found.spec ?? {};
    const claims = [base?.claimName, modified?.claimName].filter((name) => name !== undefined);
    const uses = claims.map((claimName) => ({ claimName, readOnly: false }));
    const user = { name: `late-${uid}`, uses, comesAt: 0, goesAt: 0, ends: false };
    this.#use(user);
    this.#after(PAUSE_SECONDS * 20, () => this.#leave(user));
  }

  #interrupt(interruption: Interruption, uid: string, pod: Pod): void {
    switch (interruption) {
      case "suspend":
        this.#edit(uid, { suspend: true });
        return this.#once(
          () => this.#pods(uid).every(hasEnded),
          () => this.#after(PAUSE_SECONDS, () => this.#edit(uid, { suspend: false })),
        );
      case "editJob": {
        const edits = (this.#jobEdits.get(uid) ?? 0) + 1;
        this.#jobEdits.set(uid, edits);
        return this.#edit(uid, { job: { annotations: { edits: String(edits) } } });
      }
      case "deleteJob": {
        const [job] = this.#jobs(uid);
        if (job !== undefined) this.#server.delete(Jobs, keyOf(job), "Background");
        return;
      }
      case "deletePod":
        this.#server.delete(Pods, keyOf(pod));
        return;
      case "drain":
        return this.#drain(pod);
      case "shortenDeadline":
        return this.#edit(uid, { activeDeadlineSeconds: 30 });
      case "deleteImageDiff":
        return this.#delete(uid);
      case "deadline":
        return;
    }
  }

  #drain(pod: Pod): void {
    const condition = {
      ...{ type: "DisruptionTarget", status: "True", reason: "EvictionByEvictionAPI" },
      message: "Eviction API: evicting",
    };
    this.#server.update(Pods, keyOf(pod), (present) => ({
      ...present,
      status: {
        ...present.status,
        conditions: [...(present.status?.conditions ?? []), condition],
      },
    }));
    this.#server.delete(Pods, keyOf(pod));
  }

  #use({ name, uses }: UserScript): void {
    const named = uses.map((use, index) => ({ ...use, volume: `v${index}` }));
    this.#server.create(Pods, {
      metadata: { name, namespace: NAMESPACE },
      spec: {
        containers: [
          {
            name: "main",
            image: "somebody:1",
            volumeMounts: named.map(({ volume, readOnly }) => ({
              ...{ name: volume, mountPath: `/${volume}` },
              ...(readOnly && { readOnly }),
            })),
          },
        ],
        volumes: named.map(({ volume, claimName }) => ({
          name: volume,
          persistentVolumeClaim: { claimName },
        })),
      },
    });
  }

  #leave({ name, ends }: UserScript): void {
    const pod = this.#server.get(Pods, { namespace: NAMESPACE, name });
    if (pod === undefined) return;
    if (ends) this.#kubelet.exit(pod, { exitCode: 0, reason: "Completed" });
    const now = this.#server.get(Pods, keyOf(pod));
    if (now?.status?.phase !== "Succeeded") this.#server.delete(Pods, keyOf(pod));
  }

  #edit(uid: string, spec: Fields): void {
    const found = this.#find(uid);
    if (found === undefined) return;
    this.#server.update(ImageDiffs, keyOf(found), (resource) => ({
      ...resource,
      spec: { ...resource.spec, ...spec },
    }));
  }

  #delete(uid: string): void {
    const found = this.#find(uid);
    if (found !== undefined) this.#server.delete(ImageDiffs, keyOf(found), "Background");
  }

  #find(uid: string): StoredImageDiff | undefined {
    return this.#server.all(ImageDiffs).find((each) => uidOf(each) === uid);
  }

  #jobs(uid: string) {
    return this.#server.all(Jobs).filter((job) => controllerOf(job) === uid && !isLeaving(job));
  }

  #pods(uid: string): Pod[] {
    const jobs = new Set(this.#jobs(uid).map(uidOf));
    return this.#server.all(Pods).filter((pod) => jobs.has(controllerOf(pod) ?? ""));
  }

  #after(seconds: number, act: () => void): void {
    this.#timers.after(seconds, act);
  }

  /** Does something as soon as something is so, unless it is in vain. */
  #once(isSo: () => boolean, act: () => void, isVain: () => boolean = () => false): void {
    const wait = (): boolean => {
      if (isVain()) return true;
      if (!isSo()) return false;
      act();
      return true;
    };
    if (!wait()) this.#waits.add(wait);
  }
}
