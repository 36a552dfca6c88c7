/** What the API server itself makes of the objects that it is given. */
import { isDeepStrictEqual } from "node:util";
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { validateImageDiff } from "../../../../src/api/manifest.ts";
import { timestamp } from "../clock.ts";
import type { Stored } from "./store.ts";

export const FOREGROUND = "foregroundDeletion";

/** Seconds that a pod has to end, as the Job's template says. */
const GRACE_SECONDS = 30;

/** An object as it is first stored, but for its version. */
export function created(object: Stored, uid: string): Stored {
  const metadata = {
    ...object.metadata,
    uid: object.metadata?.uid ?? uid,
    generation: 1,
    creationTimestamp: timestamp(),
  };
  const { status: _, ...made } = { ...object, metadata };
  switch (object.kind) {
    case "ImageDiff":
      // With the schema's defaults; the status is a subresource.
      return { ...made, spec: validateImageDiff(made).spec };
    case "Job":
      return { ...withJobDefaults(made as Job), status: {} };
    case "Pod":
      return { ...made, status: { phase: "Pending", ...(object as Pod).status } };
    default:
      return { ...object, metadata };
  }
}

function withJobDefaults(job: Job): Stored {
  const { name = "", uid = "" } = job.metadata ?? {};
  const labels = {
    "batch.kubernetes.io/controller-uid": uid,
    "batch.kubernetes.io/job-name": name,
    "controller-uid": uid,
    "job-name": name,
  };
  const { template } = job.spec ?? {};
  const metadata = { ...template?.metadata, labels: { ...template?.metadata?.labels, ...labels } };
  return {
    ...job,
    metadata: { ...job.metadata, labels: { ...job.metadata?.labels, ...labels } },
    spec: {
      suspend: false,
      completionMode: "NonIndexed",
      selector: { matchLabels: { "batch.kubernetes.io/controller-uid": uid } },
      ...job.spec,
      template: { ...template, metadata },
    },
  };
}

/** The next version of an object, its generation counted; the present one if nothing changes. */
export function updated(present: Stored, next: Stored): Stored {
  const { resourceVersion = "", generation = 1 } = present.metadata ?? {};
  const same = { ...next, metadata: { ...next.metadata, resourceVersion, generation } };
  if (isDeepStrictEqual(same, present)) return present;
  if (isDeepStrictEqual(next.spec, present.spec) || next.kind === "Pod") return same;
  return { ...same, metadata: { ...same.metadata, generation: generation + 1 } };
}

/** What may change in a Job's spec; the rest cannot once it is made. */
const changeable = new Set(["suspend", "backoffLimit", "activeDeadlineSeconds"]);

/** The field of a Job that must not change and does, if any. */
export function immutableField(before: Stored, after: Stored): string | undefined {
  if (before.kind !== "Job") return undefined;
  const [old, now] = [before.spec, after.spec] as Record<string, unknown>[];
  return Object.keys({ ...old, ...now }).find(
    (field) => !changeable.has(field) && !isDeepStrictEqual(old?.[field], now?.[field]),
  );
}

/** An object that has been told to go; undefined if it is gone at once. */
export function leaving(object: Stored, propagation: string | undefined): Stored | undefined {
  const { finalizers = [], deletionTimestamp, generation = 1 } = object.metadata ?? {};
  const waits = object.kind === "Pod" && hasToEnd(object as Pod);
  const all =
    propagation === "Foreground" && !finalizers.includes(FOREGROUND)
      ? [...finalizers, FOREGROUND]
      : finalizers;
  if (all.length === 0 && !waits) return undefined;
  if (deletionTimestamp !== undefined) return object;
  const seconds = waits ? GRACE_SECONDS : 0;
  return {
    ...object,
    metadata: {
      ...object.metadata,
      ...(all.length === 0 ? {} : { finalizers: all }),
      generation: generation + 1,
      deletionTimestamp: timestamp(Date.now() + seconds * 1000),
      deletionGracePeriodSeconds: seconds,
    },
  };
}

/** A pod on a node goes when its kubelet has ended it. */
function hasToEnd({ spec, status }: Pod): boolean {
  const ended = status?.phase === "Succeeded" || status?.phase === "Failed";
  return spec?.nodeName !== undefined && !ended;
}

/** Whether an object that is to go may go now. */
export function isFree({ metadata }: Stored): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers = [] } = metadata ?? {};
  return (
    deletionTimestamp !== undefined && deletionGracePeriodSeconds === 0 && finalizers.length === 0
  );
}
