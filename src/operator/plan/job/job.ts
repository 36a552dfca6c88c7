/** The Job that does the work of a resource. */
import type { Job, PodFailurePolicy } from "kubernetes-types/batch/v1.d.ts";
import { API_VERSION, KIND } from "../../../api/resource.ts";
import { ExitCode } from "../../../report/reasons.ts";
import type { JobChange } from "../actions.ts";
import { jobCondition } from "../jobs.ts";
import {
  ENGINE_CONTAINER,
  GENERATION_KEY,
  jobMetadata,
  jobName,
  settingsDigest,
  SETTINGS_KEY,
} from "../labels.ts";
import type { Observation } from "../observation.ts";
import { podSpec } from "./pod-spec.ts";

/**
 * Seconds for which a finished Job stays, so that its pod's log can be read. A pod holds its claims
 * as long as it is there, though it has ended: nobody could delete them (Kubernetes'
 * pkg/controller/volume/pvcprotection). Should the controller be away for longer, the
 * work is done once more, and the engine accepts its own overlay.
 */
const TTL_SECONDS = 3600;

/** The Job, whose pod is bound to that node if one is given. */
export function makeJob(observation: Observation, node: string | undefined): Job {
  const { resource } = observation;
  const { metadata, spec } = resource;
  const { labels, annotations } = jobMetadata(resource);
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name: jobName(resource),
      ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
      labels,
      annotations: {
        ...annotations,
        [SETTINGS_KEY]: settingsDigest(resource),
        [GENERATION_KEY]: String(metadata.generation ?? 0),
      },
      ownerReferences: [
        {
          apiVersion: API_VERSION,
          kind: KIND,
          name: metadata.name,
          uid: metadata.uid ?? "",
          controller: true,
          // The ImageDiff may go before its Job: nobody waits for the pod to end.
          blockOwnerDeletion: false,
        },
      ],
    },
    spec: {
      ttlSecondsAfterFinished: TTL_SECONDS,
      completions: 1,
      parallelism: 1,
      backoffLimit: spec.backoffLimit,
      activeDeadlineSeconds: spec.activeDeadlineSeconds,
      podFailurePolicy,
      // Two engines would fight over one output: the next starts when the last has ended.
      podReplacementPolicy: "Failed",
      template: {
        metadata: { labels, annotations },
        spec: podSpec(observation, node),
      },
    },
  };
}

/** What no second attempt can cure fails the Job at once; a node that is drained does not count. */
const podFailurePolicy: PodFailurePolicy = {
  rules: [
    {
      action: "FailJob",
      onExitCodes: {
        containerName: ENGINE_CONTAINER,
        operator: "In",
        values: [ExitCode.Usage, ExitCode.Permanent, ExitCode.VerificationFailed],
      },
    },
    { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
  ],
};

/**
 * What has to change in a Job that exists; undefined if nothing does. The API server lets these
 * fields change at any time, and hardly another (ValidateJobSpecUpdate in Kubernetes'
 * pkg/apis/batch/validation).
 */
export function jobChange(
  job: Job,
  { resource }: Observation,
  suspend: boolean,
): JobChange | undefined {
  const { backoffLimit, activeDeadlineSeconds } = resource.spec;
  const { spec: present } = job;
  // It fails whatever its limits are by then, and they tell what it failed by.
  const fails = jobCondition(job, "FailureTarget") !== undefined;
  const keeps = (now: number | undefined, wanted: number): boolean => fails || now === wanted;
  const change: JobChange = {
    ...((present?.suspend ?? false) === suspend ? {} : { suspend }),
    ...(keeps(present?.backoffLimit, backoffLimit) ? {} : { backoffLimit }),
    ...(keeps(present?.activeDeadlineSeconds, activeDeadlineSeconds)
      ? {}
      : { activeDeadlineSeconds }),
  };
  return Object.keys(change).length === 0 ? undefined : change;
}
