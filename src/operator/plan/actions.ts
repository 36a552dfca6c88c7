/** What a plan may ask for. Each can be carried out twice with the effect of once. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { ImageDiffStatus } from "../../api/status.ts";

export type Action =
  /** Makes the Job, if none of its name exists. */
  | { type: "CreateJob"; job: Job }
  /** Changes what may change in a Job that exists. */
  | { type: "UpdateJob"; name: string; uid: string; spec: JobChange }
  /** Deletes the Job of that uid, and its pods with it. */
  | { type: "DeleteJob"; name: string; uid: string }
  /** Deletes the ImageDiff itself: its time to live is over. */
  | { type: "DeleteResource"; uid: string };

export interface JobChange {
  suspend?: boolean;
  backoffLimit?: number;
  activeDeadlineSeconds?: number;
}

/** Something that users should hear of once: an event of the ImageDiff. */
export interface Announcement {
  type: "Normal" | "Warning";
  reason: string;
  message: string;
}

export interface Plan {
  actions: readonly Action[];
  /** The status as it shall be; equal to the present one, nothing is written. */
  status: ImageDiffStatus;
  announcements: readonly Announcement[];
  /** When to look again though nothing has changed; absent where a change will tell. */
  lookAgainSeconds?: number;
  /** Set while the resource waits for a place among the Jobs that run at once. */
  waitsForPlace?: true;
}
