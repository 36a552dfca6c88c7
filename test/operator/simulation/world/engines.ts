/** The engines of all ImageDiffs: each attempt comes out as the script has it. */
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { validateImageDiff } from "../../../../src/api/manifest.ts";
import { API_VERSION, KIND, type ImageDiff } from "../../../../src/api/resource.ts";
import { Jobs, Pods } from "../../../../src/operator/resources.ts";
import type { Attempt, ImageDiffScript, Interruption, Obstacles } from "../script.ts";
import { Refusal, type ApiServer } from "../server/api-server.ts";
import type { Timers } from "../timers.ts";
import { exitOf, logOf, type Exit } from "./engine.ts";
import type { Kubelet, Programs } from "./kubelet.ts";
import { controllerOf, engineState, isLeaving, uidOf } from "./pods.ts";

/** What has become of one ImageDiff, told by its engines. */
export interface Story {
  uid: string;
  script: Omit<ImageDiffScript, "successor">;
  /** The attempt that comes next, or is under way. */
  next: number;
  /** Attempts whose interruption has taken place. */
  interrupted: Set<number>;
  succeeded: number;
}

export interface Interrupts {
  (interruption: Interruption, uid: string, pod: Pod): void;
}

interface Run {
  story: Story;
  attempt: Attempt;
  startedAt: number;
  /** How much of its work it had done when it ended. */
  part?: number;
}

export class Engines implements Programs {
  /** By the uid of the ImageDiff. */
  readonly stories = new Map<string, Story>();
  kubelet: Pick<Kubelet, "exit"> = { exit: () => undefined };
  problem: (text: string) => void = () => undefined;
  interrupt: Interrupts = () => undefined;
  raise: (uid: string, backoffLimit: number) => void = () => undefined;
  readonly #server: ApiServer;
  readonly #obstacles: Obstacles;
  readonly #seconds: () => number;
  readonly #timers: Timers;
  /** By the uid of the pod. */
  readonly #runs = new Map<string, Run>();
  /** What waits for a change of a Job. */
  readonly #waits = new Set<() => boolean>();

  constructor(server: ApiServer, obstacles: Obstacles, seconds: () => number, timers: Timers) {
    this.#server = server;
    this.#timers = timers;
    this.#obstacles = obstacles;
    this.#seconds = seconds;
    server.listen(({ kind }) => {
      if (kind !== "batch/v1/jobs") return;
      for (const wait of this.#waits) if (wait()) this.#waits.delete(wait);
    });
  }

  obstacle(pod: Pod): { waiting?: string; event?: string; message: string } | undefined {
    if (this.#owner(pod) === undefined) return undefined;
    const { registry = 0, storage = 0 } = this.#obstacles;
    if (this.#seconds() < registry) {
      return { waiting: "ImagePullBackOff", message: 'Back-off pulling image "engine:1"' };
    }
    if (this.#seconds() >= storage) return undefined;
    return { event: "FailedMount", message: "MountVolume.SetUp failed: no answer" };
  }

  refuses(pod: Pod): Exit | undefined {
    const run = this.#run(pod);
    if (run?.attempt.ending.how !== "cannotStart") return undefined;
    run.story.next += 1;
    return exitOf(run.attempt.ending, resourceOf(run.story));
  }

  started(pod: Pod): void {
    const run = this.#run(pod);
    if (run === undefined) return;
    const { story, attempt } = run;
    if (story.succeeded > 0)
      this.problem(`${story.script.name} is done, and its engine runs again`);
    this.#runs.set(uidOf(pod), run);
    const { interruption, raisesBackoffLimit, seconds } = attempt;
    if (interruption === "deadline") return;
    if (raisesBackoffLimit === undefined) {
      this.#timers.after(seconds, () => this.#go(pod, run));
      return;
    }
    if (!story.interrupted.has(story.next)) {
      story.interrupted.add(story.next);
      this.raise(story.uid, raisesBackoffLimit);
    }
    const wait = (): boolean => {
      const job = this.#server.all(Jobs).find((each) => uidOf(each) === controllerOf(pod));
      if (job?.spec?.backoffLimit !== raisesBackoffLimit) return job === undefined;
      this.#timers.after(seconds, () => this.#go(pod, run));
      return true;
    };
    if (!wait()) this.#waits.add(wait);
  }

  killed(pod: Pod): void {
    const run = this.#runs.get(uidOf(pod));
    if (run === undefined) return;
    const { story, attempt } = run;
    run.part = this.#part(run);
    // One that was killed by something else comes again.
    const isScripted = attempt.interruption !== undefined && story.interrupted.has(story.next);
    if (isScripted || attempt.interruption === "deadline") story.next += 1;
  }

  /** @throws Refusal where the container has not started. */
  log(pod: Pod, lines: number): string {
    const run = this.#runs.get(uidOf(pod));
    if (run === undefined) {
      const message = `container "engine" in pod "${pod.metadata?.name}" is waiting to start`;
      throw new Refusal(400, "BadRequest", message);
    }
    const text = logOf(run.part ?? this.#part(run));
    return `${text.trimEnd().split("\n").slice(-lines).join("\n")}\n`;
  }

  /** The time has come for what ends the engine, if it is still at work. */
  #go(pod: Pod, run: Run): void {
    const { story, attempt } = run;
    const key = { namespace: pod.metadata?.namespace, name: pod.metadata?.name ?? "" };
    const present = this.#server.get(Pods, key);
    // A pod that is told to go does not come out by itself any more.
    if (present === undefined || isLeaving(present) || uidOf(present) !== uidOf(pod)) return;
    if (engineState(present).running === undefined) return;
    if (attempt.interruption !== undefined) {
      story.interrupted.add(story.next);
      return this.interrupt(attempt.interruption, story.uid, present);
    }
    run.part = 1;
    story.next += 1;
    if (attempt.ending.how === "succeeds") story.succeeded += 1;
    const { ending } = attempt;
    this.kubelet.exit(present, exitOf(ending, resourceOf(story)), ending.how === "evicted");
  }

  #part({ attempt, startedAt }: Run): number {
    const part = (this.#seconds() - startedAt) / Math.max(1, attempt.seconds);
    return Math.min(part, attempt.interruption === undefined ? 1 : 0.5);
  }

  /** What an engine's pod that starts now is to do. */
  #run(pod: Pod): Run | undefined {
    const owner = this.#owner(pod);
    const story = this.stories.get(owner ?? "");
    if (story === undefined) return undefined;
    const { attempts } = story.script;
    const isOver = (index: number): boolean =>
      attempts[index]?.interruption !== undefined && story.interrupted.has(index);
    while (isOver(story.next)) story.next += 1;
    const attempt = attempts[Math.min(story.next, attempts.length - 1)];
    if (attempt === undefined) throw new Error(`${story.script.name} has no engine`);
    return { story, attempt, startedAt: this.#seconds() };
  }

  /** The uid of the ImageDiff whose engine it is. */
  #owner(pod: Pod): string | undefined {
    const job = this.#server.all(Jobs).find((each) => uidOf(each) === controllerOf(pod));
    return job && controllerOf(job);
  }
}

/** The ImageDiff of a story, though it may be gone. */
function resourceOf({ script: { name, spec } }: Story): ImageDiff {
  return validateImageDiff({ apiVersion: API_VERSION, kind: KIND, metadata: { name }, spec });
}
