/** How a run has ended, but for what faults may change. */
import { isDeepStrictEqual } from "node:util";
import type { ImageDiffStatus } from "../../../src/api/status.ts";
import { ImageDiffs, Jobs, Pods } from "../../../src/operator/resources.ts";
import type { Script } from "./script.ts";
import type { ApiServer } from "./server/api-server.ts";
import type { Engines, Story } from "./world/engines.ts";
import { condition } from "./world/job-status.ts";
import { hasEnded, uidOf } from "./world/pods.ts";

export type Outcome = Record<string, object>;

/** The end of every ImageDiff and of what belongs to it, by name. */
export function outcomeOf(server: ApiServer, { stories }: Engines, script: Script): Outcome {
  const isCrowded = isUsedByOthers(script);
  const resources = server.all(ImageDiffs).map((resource) => {
    const { name = "", generation } = resource.metadata ?? {};
    const story = stories.get(uidOf(resource));
    const status = story && comparable(resource.status ?? {}, story, isCrowded);
    return [name, { generation, spec: resource.spec, status }];
  });
  const jobs = server.all(Jobs).map((job) => [
    `Job ${job.metadata?.name}`,
    {
      complete: condition(job, "Complete")?.reason,
      failed: condition(job, "Failed")?.reason,
    },
  ]);
  const running = server.all(Pods).filter((pod) => !hasEnded(pod));
  const pods = running.map(({ metadata }) => [`Pod ${generalName(metadata?.name ?? "")}`, {}]);
  return Object.fromEntries([...resources, ...jobs, ...pods]) as Outcome;
}

/**
 * What faults may not change. They may change
 * - every moment: what is late is late; only whether there is one counts;
 * - names of pods, which are drawn anew in each run, and the node, which depends on where claims
 *   were attached when the pod was made;
 * - what is told of the time before a deadline, as far as somebody has seen it;
 * - the end of the log: it is a help to people that nothing waits for;
 * - that the sources were idle and a node was found: who was away while the engine was at work
 *   has not seen it;
 * - the progress of what has failed, or has succeeded without a word: how far it was when
 *   somebody looked;
 * - attempts and the last failure of a success, where a pod that was taken away could go unseen:
 *   by somebody, or together with a Job that had to wait for the users of a source.
 */
function comparable(status: ImageDiffStatus, { script }: Story, isCrowded: boolean): object {
  const { startTime, completionTime, node: _, progress, attempts, lastFailure, ...rest } = status;
  const isSeen = !isCrowded && script.edits.length === 0 && script.attempts.every(leavesItsPod);
  const hasFailed = status.phase === "Failed";
  const isLate = lastFailure?.reason === "DeadlineExceeded";
  const { logTail: ___, ...failure } = lastFailure ?? {};
  return general({
    ...rest,
    conditions: Object.fromEntries(
      (status.conditions ?? [])
        .filter(({ type, status: value }) => !(passing.has(type) && (value === "True" || isLate)))
        .map(({ lastTransitionTime: __, ...each }) => [each.type, each]),
    ),
    isCompleted: completionTime !== undefined,
    ...(isSeen && { attempts, hasStarted: startTime !== undefined }),
    ...((isSeen || hasFailed) && { failure }),
    ...(status.savings && { progress }),
  });
}

function isUsedByOthers({ users, imageDiffs }: Script): boolean {
  const lives = imageDiffs.flatMap(({ successor, ...first }) => [first, successor]);
  return users.length > 0 || lives.some((life) => life?.afterwards.includes("useSources"));
}

/** Conditions that only matter as long as the engine has not done its work. */
const passing = new Set(["SourcesIdle", "Schedulable"]);

/** Where two outcomes differ, in a line each. */
export function differences(calm: unknown, faulty: unknown, path = ""): string[] {
  if (isDeepStrictEqual(calm, faulty)) return [];
  if (!isObject(calm) || !isObject(faulty)) {
    return [`${path} is ${JSON.stringify(calm)} without faults, ${JSON.stringify(faulty)} with`];
  }
  const names = new Set([...Object.keys(calm), ...Object.keys(faulty)]);
  return [...names].flatMap((name) => differences(calm[name], faulty[name], `${path}/${name}`));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function leavesItsPod({ interruption }: Story["script"]["attempts"][number]): boolean {
  return interruption === undefined;
}

/** The same without what is drawn anew in each run. */
function general<T>(value: T): T {
  return JSON.parse(generalName(JSON.stringify(value))) as T;
}

function generalName(text: string): string {
  return text
    .replaceAll(/(imagediff-[0-9a-f]{16})-\w+/g, "$1-xxxxx")
    .replaceAll(/node-\d/g, "node-n")
    .replaceAll(/ Before that: [^"]*/g, "");
}
