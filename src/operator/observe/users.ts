/** Who else uses the claims of a resource. */
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { outputPath } from "../../api/resource.ts";
import { claimUses } from "../plan/claim-uses.ts";
import { ENGINE_LABELS, JOB_NAME_LABEL, NAME_KEY } from "../plan/labels.ts";
import type { ClaimUser } from "../plan/observation.ts";
import type { StoredImageDiff } from "../resources.ts";
import type { Caches } from "./caches.ts";
import { claimKey, claimNames, controllerUid, hasEnded } from "./indexes.ts";

/** The cached pods that use one of the claims, but for those of the resource itself. */
export function cachedUsers(
  caches: Caches,
  namespace: string,
  claims: readonly string[],
  uid: string,
): ClaimUser[] {
  const pods = new Set(
    claims.flatMap((claim) => [...caches.pods.by("claim", claimKey(namespace, claim))]),
  );
  return asUsers(caches, pods, uid);
}

/** The same of pods that have just been listed. */
export function usersAmong(
  caches: Caches,
  pods: readonly Pod[],
  claims: readonly string[],
  uid: string,
): ClaimUser[] {
  const using = pods.filter(
    (pod) => !hasEnded(pod) && claimNames(pod).some((name) => claims.includes(name)),
  );
  return asUsers(caches, using, uid);
}

function asUsers(caches: Caches, pods: Iterable<Pod>, uid: string): ClaimUser[] {
  return Array.from(pods, (pod) => ({ pod, owner: engineOwner(caches, pod) }))
    .filter(({ owner }) => owner?.metadata?.uid !== uid)
    .map(({ pod, owner }) => {
      const engine = owner === undefined ? looseEngine(pod) : engineUse(owner);
      return engine === undefined ? { pod } : { pod, engine };
    });
}

/**
 * The ImageDiff whose engine a pod is. It is told by the chain of controllers, pod to Job to
 * ImageDiff, and by uid: a label alone could be on any pod.
 */
export function engineOwner(caches: Caches, pod: Pod): StoredImageDiff | undefined {
  const [jobUid] = controllerUid(pod);
  if (jobUid === undefined) return undefined;
  const { namespace } = pod.metadata ?? {};
  const reference = pod.metadata?.ownerReferences?.find(({ uid }) => uid === jobUid);
  if (reference?.kind !== "Job") return undefined;
  const job = caches.jobs.get({ namespace, name: reference.name });
  if (job?.metadata?.uid !== jobUid) return undefined;
  const owner = job.metadata.ownerReferences?.find(({ controller }) => controller === true);
  if (owner === undefined) return undefined;
  const imageDiff = caches.imageDiffs.get({ namespace, name: owner.name });
  return imageDiff?.metadata?.uid === owner.uid ? imageDiff : undefined;
}

/**
 * An engine whose Job is gone already, or not in the cache yet. It is told by its labels: they
 * could be on any pod, but only make a reader of what the pod has mounted read-only.
 */
function looseEngine(pod: Pod): ClaimUser["engine"] {
  const { name = "", labels = {} } = pod.metadata ?? {};
  const isEngine = Object.entries(ENGINE_LABELS).every(([key, value]) => labels[key] === value);
  if (!isEngine) return undefined;
  const imageDiff = labels[NAME_KEY] ?? labels[JOB_NAME_LABEL] ?? name;
  const [written, another] = claimUses(pod).filter(({ readOnly }) => !readOnly);
  if (another !== undefined) return undefined;
  return { imageDiff, ...(written && { output: { claimName: written.claimName } }) };
}

/** What the engine of an ImageDiff does to its claims. */
export function engineUse({ metadata, spec }: StoredImageDiff): NonNullable<ClaimUser["engine"]> {
  const imageDiff = metadata?.name ?? "";
  const output = spec?.output;
  if (spec?.mode === "Estimate" || output?.claimName === undefined) return { imageDiff };
  const path = outputPath({ metadata: { name: imageDiff }, spec: { output } });
  return { imageDiff, output: { claimName: output.claimName, path } };
}
