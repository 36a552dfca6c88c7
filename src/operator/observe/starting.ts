/**
 * Engines that are about to start: no pod says yet what they will hold. Two that start at once and
 * share ReadWriteOnce claims could otherwise be sent to different nodes, each with a volume that
 * the other needs.
 */
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { keyOf, keyText } from "../../kube/resource-type.ts";
import type { ClaimUser } from "../plan/observation.ts";
import type { StoredImageDiff } from "../resources.ts";
import type { Caches } from "./caches.ts";
import { awaitsPod, claimKey, hasEnded, imageDiffIndexes } from "./indexes.ts";
import type { Places } from "./places.ts";
import { engineUse } from "./users.ts";

/** Users of the claims whose pods are still to come, but for the resource's own. */
export function startingUsers(
  caches: Caches,
  places: Places,
  now: Date,
  { namespace, claims, uid }: { namespace: string; claims: readonly string[]; uid: string },
): ClaimUser[] {
  const wanted = new Set(claims.map((name) => claimKey(namespace, name)));
  return [...places.reservations(namespace), ...podlessOwners(caches, namespace, now)]
    .map((name) => caches.imageDiffs.get({ namespace, name }))
    .filter((owner) => owner !== undefined)
    .filter((owner) => owner.metadata?.uid !== uid)
    .filter((owner) => imageDiffIndexes.claim(owner).some((claim) => wanted.has(claim)))
    .map((owner) => ({ pod: podToBe(owner), engine: engineUse(owner) }));
}

/** The names of the ImageDiffs whose Jobs have been started a moment ago and have no pod yet. */
function podlessOwners(caches: Caches, namespace: string, now: Date): string[] {
  return caches.jobs
    .by("place", "taken")
    .filter(({ metadata }) => metadata?.namespace === namespace)
    .filter((job) => awaitsPod(job, now))
    .filter((job) => caches.pods.by("job", keyText(keyOf(job))).every(hasEnded))
    .flatMap(({ metadata }) => metadata?.ownerReferences ?? [])
    .filter(({ controller }) => controller === true)
    .map(({ name }) => name);
}

/** What is known of a pod that the Job controller is still to make. */
function podToBe(owner: StoredImageDiff): Pod {
  const { namespace, name } = owner.metadata ?? {};
  const claims = imageDiffIndexes.claim(owner).map((key) => key.slice(key.indexOf("/") + 1));
  return {
    metadata: { name: `(to be made) of ImageDiff ${name}`, ...(namespace && { namespace }) },
    spec: {
      containers: [],
      volumes: claims.map((claimName) => ({
        name: claimName,
        persistentVolumeClaim: { claimName },
      })),
    },
  };
}
