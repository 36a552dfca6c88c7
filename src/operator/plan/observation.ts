/** All that one decision about an ImageDiff needs to know. Plain data, so that tests make it up. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  ResourceRequirements,
} from "kubernetes-types/core/v1.d.ts";
import type { StorageClass } from "kubernetes-types/storage/v1.d.ts";
import type { ImageDiff } from "../../api/resource.ts";
import type { ImageDiffStatus } from "../../api/status.ts";

/** What the controller's administrator has set. */
export interface Settings {
  /** Container image of the engine. */
  engineImage: string;
  imagePullPolicy?: "Always" | "IfNotPresent" | "Never";
  /** Of the engine's container, where the ImageDiff gives none. */
  resources: Pick<ResourceRequirements, "requests" | "limits">;
  /** Most Jobs that may be unfinished at once; undefined for no limit. */
  maxJobs?: number;
  /** Most engine pods that may be on one node at once; undefined for no limit. */
  maxJobsPerNode?: number;
}

/** A claim that the resource names. Every part is absent that does not exist. */
export interface ClaimObservation {
  claim?: PersistentVolumeClaim;
  /** The volume that it is bound to; absent too where the controller may not read volumes. */
  volume?: PersistentVolume;
  /** Its storage class; absent too where the controller may not read storage classes. */
  storageClass?: StorageClass;
}

/** A pod of the namespace that has not ended and that uses one of the claims. */
export interface ClaimUser {
  pod: Pod;
  /**
   * Set where the pod is the engine of another ImageDiff: it reads all of its claims, and
   * writes this file of this one. The path is absent where it is not known.
   */
  engine?: { imageDiff: string; output?: { claimName: string; path?: string } };
}

/** An event about the Job or one of its pods. */
export interface Happening {
  /** Kind of the object that it is about. */
  kind: "Job" | "Pod";
  /** Such as FailedCreate, FailedMount, FailedScheduling. */
  reason: string;
  message: string;
  /** When it was last seen (RFC 3339). */
  lastSeen: string;
}

/** Who else has work under way. */
export interface Load {
  /** Unfinished Jobs of other ImageDiffs. */
  jobs: number;
  /** Those of them whose pod is on no node yet. */
  unplaced: number;
  /** Engine pods on each node, by the node's name. */
  perNode: ReadonlyMap<string, number>;
  /** Whether its own Job has been told to start, and the cache is yet to hear of it. */
  starting: boolean;
  /** Resources that asked for a place before this one and still wait. */
  waitingBefore: number;
}

/** Why the API server would not let a Job start. */
export interface Refusal {
  reason: string;
  message: string;
  at: Date;
}

export interface Observation {
  now: Date;
  resource: ImageDiff;
  status: ImageDiffStatus;
  settings: Settings;
  /** One for each name that `claimsOf(resource)` gives. */
  claims: ReadonlyMap<string, ClaimObservation>;
  /** Pods other than the resource's own that use one of the claims. */
  users: readonly ClaimUser[];
  /** Jobs that the resource owns, of whatever generation, those being deleted included. */
  jobs: readonly Job[];
  /** Pods of those Jobs, the ended ones included. */
  pods: readonly Pod[];
  /** The end of the engine's log, where it was read just now. */
  log?: string;
  /** Looked up only where a Job has no pod or a pod does not start. */
  happenings: readonly Happening[];
  /** A finished Estimate of the same images and format, and the overlay's size by it, in bytes. */
  estimate?: { imageDiff: string; bytes: number };
  load: Load;
  /** The API server's last answer to a start of the Job, where it was no. */
  refusal?: Refusal;
}
