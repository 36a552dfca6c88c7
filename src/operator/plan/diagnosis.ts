/** Why a Job has no pod, or why its pod does not start. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { conditionOf } from "./announcements.ts";
import { isLeaving, podsOf } from "./jobs.ts";
import type { Happening, Observation } from "./observation.ts";
import { byAge, engineState, hasEnded, nameOf } from "./pods.ts";
import { refusalCause, sentence } from "./refusals.ts";
import type { OperatorReason } from "./reasons.ts";
import type { Cause } from "./states.ts";

/** What is wrong with a Job whose engine is not at work; undefined if nothing is known to be. */
export function diagnosis(job: Job, observation: Observation): Cause | undefined {
  const pods = byAge(podsOf(job, observation));
  const pod = startingPod(pods);
  return pod === undefined
    ? withoutPod(pods.at(-1), observation)
    : (unschedulable(pod) ??
        containerWaits(pod, job, observation) ??
        volumeWaits(pod, observation));
}

/** The pod that shall do the work but does not yet. */
export function startingPod(pods: readonly Pod[]): Pod | undefined {
  return pods.findLast((pod) => !hasEnded(pod) && !isLeaving(pod));
}

function withoutPod(last: Pod | undefined, observation: Observation): Cause | undefined {
  const failed = latest(observation, "Job", ["FailedCreate"], last);
  if (failed === undefined) return undefined;
  return refusalCause("The engine's pod", failed.message, {
    reason: "PodRefused",
    cure: "Whoever runs the cluster can say which rule or webhook that was.",
  });
}

function unschedulable(pod: Pod): Cause | undefined {
  const condition = pod.status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (condition?.status !== "False") return undefined;
  return {
    reason: "Unschedulable",
    message: `No node can take pod ${nameOf(pod)}: ${sentence(condition.message ?? "")} Make room, or change spec.job's resources, tolerations, nodeSelector or affinity.`,
  };
}

/** Why the kubelet makes a container wait (pkg/kubelet/images/types.go, pkg/kubelet/kuberuntime). */
const pullFailures = new Set([
  ...["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"],
  ...["ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed"],
]);
const startFailures = new Set([
  ...["CreateContainerConfigError", "CreateContainerError", "RunContainerError"],
]);

function containerWaits(pod: Pod, job: Job, observation: Observation): Cause | undefined {
  const { reason = "", message = "" } = engineState(pod).waiting ?? {};
  if (pullFailures.has(reason)) return imageMissing(pod, job, observation);
  if (!startFailures.has(reason)) return undefined;
  return {
    reason: "ContainerNotStarted",
    message: `The engine's container in pod ${nameOf(pod)} cannot be started (${reason}): ${sentence(message)} Check spec.job.podSecurityContext.`,
  };
}

function imageMissing(pod: Pod, job: Job, observation: Observation): Cause {
  const { reason = "", message = "" } = engineState(pod).waiting ?? {};
  const image = job.spec?.template.spec?.containers[0]?.image ?? "";
  const what = `The image ${image} of pod ${nameOf(pod)} cannot be pulled`;
  const secret = latest(observation, "Pod", ["FailedToRetrieveImagePullSecret"], pod);
  if (secret !== undefined) {
    const cure = "Create the Secret, or name another in spec.job.imagePullSecrets.";
    return { reason: "PullSecretMissing", message: `${what}: ${sentence(secret.message)} ${cure}` };
  }
  // Between two attempts the kubelet says that it waits. What went wrong is told already.
  const told = conditionOf(observation.status, "Ready");
  const again = told?.reason === "ImagePullFailed" && told.message.startsWith(what);
  const cure = "Check its name, the registry and spec.job.imagePullSecrets.";
  return {
    reason: "ImagePullFailed",
    message:
      again && reason === "ImagePullBackOff"
        ? told.message
        : `${what} (${reason}): ${sentence(message)} ${cure}`,
  };
}

const volumeFailures: { events: string[]; reason: OperatorReason; what: string; cure: string }[] = [
  {
    events: ["FailedAttachVolume"],
    reason: "VolumeNotAttached",
    what: "A volume cannot be attached to the node",
    cure: "If another node has it, end the pod there that uses it.",
  },
  {
    events: ["FailedMount", "FailedMapVolume", "FailedMountOnFilesystemMismatch"],
    reason: "VolumeNotMounted",
    what: "A volume cannot be mounted",
    cure: "See whether the storage works, and whether the claim's volume still exists.",
  },
];

function volumeWaits(pod: Pod, observation: Observation): Cause | undefined {
  for (const { events, reason, what, cure } of volumeFailures) {
    const found = latest(observation, "Pod", events, pod);
    if (found === undefined) continue;
    const where = `${what} (pod ${nameOf(pod)}, node ${pod.spec?.nodeName ?? "unknown"})`;
    return { reason, message: `${where}: ${sentence(found.message)} ${cure}` };
  }
  return undefined;
}

/** The newest such event, of those since a pod was made: an older one is about another pod. */
function latest(
  { happenings }: Observation,
  kind: Happening["kind"],
  reasons: readonly string[],
  since: Pod | undefined,
): Happening | undefined {
  const from = Date.parse(since?.metadata?.creationTimestamp ?? "");
  return happenings
    .filter((each) => each.kind === kind && reasons.includes(each.reason))
    .filter(({ lastSeen }) => !(Date.parse(lastSeen) < from))
    .toSorted((a, b) => (a.lastSeen < b.lastSeen ? -1 : 1))
    .at(-1);
}
