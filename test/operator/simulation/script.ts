/**
 * What happens in a run, but for the faults. How it all ends is decided here and not by who is
 * quicker: an engine's outcome belongs to the attempt, however often that is taken from its node;
 * what people do waits for something in the world, or makes no difference to the end.
 */
import type { Reason } from "../../../src/report/reasons.ts";

export type Fields = Record<string, unknown>;

/** How an engine comes out that is left alone. */
export type Ending =
  | { how: "succeeds"; silently?: true }
  | { how: "fails"; reason: Reason }
  /** Without a word. */
  | { how: "dies"; exitCode: number; reason?: string }
  | { how: "cannotStart" }
  /** By its node, which lacks memory. */
  | { how: "evicted" };

/** What ends an engine that would go on for ever. */
export type Interruption =
  /** spec.suspend, until the pod is gone. */
  | "suspend"
  /** Edits spec.job: the Job is replaced. */
  | "editJob"
  | "deleteJob"
  | "deletePod"
  | "drain"
  /** Edits spec.activeDeadlineSeconds to what is nearly over. */
  | "shortenDeadline"
  /** Its time runs out by itself. */
  | "deadline"
  | "deleteImageDiff";

export interface Attempt {
  /** How long the engine works. */
  seconds: number;
  ending: Ending;
  interruption?: Interruption;
  /** Raises spec.backoffLimit to this, and goes on once the Job has it. */
  raisesBackoffLimit?: number;
}

/** What somebody does to an ImageDiff that is finished. */
export type Afterwards =
  | "deleteJob"
  | "deletePods"
  | "editJob"
  | "suspend"
  | "useSources"
  | "deleteImageDiff";

export interface ImageDiffScript {
  name: string;
  appearsAt: number;
  spec: Fields;
  attempts: Attempt[];
  /** Edits of the spec at moments that do not matter. */
  edits: { at: number; spec: Fields }[];
  afterwards: Afterwards[];
  /** Deleted at a moment that does not matter. */
  deletedAt?: number;
  /** Made once the first of the name is gone. */
  successor?: Omit<ImageDiffScript, "successor">;
}

export interface ClaimScript {
  name: string;
  mode: "Filesystem" | "Block";
  accessModes: string[];
  appearsAt: number;
  boundAt: number;
  /** The only node that reaches its volume. */
  node?: string;
}

/** A pod of somebody that uses claims for a while. */
export interface UserScript {
  name: string;
  uses: { claimName: string; readOnly: boolean }[];
  comesAt: number;
  goesAt: number;
  /** Whether it ends by itself, and stays as an ended pod. */
  ends: boolean;
}

/** What is in the way, until when. */
export interface Obstacles {
  /** Jobs are refused. */
  quota?: number;
  /** Pods of Jobs are refused. */
  podQuota?: number;
  /** No node has room. */
  full?: number;
  /** The image cannot be pulled. */
  registry?: number;
  /** Volumes cannot be mounted. */
  storage?: number;
}

export interface Script {
  imageDiffs: ImageDiffScript[];
  claims: ClaimScript[];
  users: UserScript[];
  obstacles: Obstacles;
  maxJobs: number | undefined;
  maxJobsPerNode: number | undefined;
  /** Whether the controller watches one namespace, not all. */
  scoped: boolean;
  /** Whether the controller may not read volumes and storage classes. */
  blindToVolumes: boolean;
  /** How long the parts of the cluster take for anything, in seconds at most. */
  paces: { jobController: number; garbageCollector: number; scheduler: number; kubelet: number };
}

export const NAMESPACE = "vms";

/** The moment after which the script itself brings nothing new. */
export function lastMoment({ imageDiffs, claims, users, obstacles }: Script): number {
  return Math.max(
    0,
    ...imageDiffs.flatMap(({ appearsAt, edits, deletedAt = 0 }) => [
      appearsAt,
      deletedAt,
      ...edits.map(({ at }) => at),
    ]),
    ...claims.flatMap(({ appearsAt, boundAt }) => [appearsAt, boundAt]),
    ...users.map(({ goesAt }) => goesAt),
    ...Object.values(obstacles as Record<string, number>),
  );
}
