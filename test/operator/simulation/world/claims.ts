/** Claims, their volumes, and the pods that use them. */
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { Claims, PersistentVolumes } from "../../../../src/operator/resources.ts";
import { NAMESPACE, type ClaimScript } from "../script.ts";
import type { ApiServer } from "../server/api-server.ts";

export function claimsOfPod({ spec }: Pod): string[] {
  return (spec?.volumes ?? []).flatMap(({ persistentVolumeClaim }) =>
    persistentVolumeClaim === undefined ? [] : [persistentVolumeClaim.claimName],
  );
}

export function makeClaim(server: ApiServer, claim: ClaimScript): void {
  const { name, mode, accessModes } = claim;
  server.create(Claims, {
    metadata: { name, namespace: NAMESPACE },
    spec: { volumeMode: mode, accessModes, storageClassName: "thick" },
    status: { phase: "Pending" },
  });
}

export function bindClaim(server: ApiServer, { name, mode, accessModes, node }: ClaimScript): void {
  const volumeName = `pv-${name}`;
  const capacity = { storage: "10Gi" };
  const expression = { key: "kubernetes.io/hostname", operator: "In", values: [node ?? ""] };
  const required = { nodeSelectorTerms: [{ matchExpressions: [expression] }] };
  server.create(PersistentVolumes, {
    metadata: { name: volumeName },
    spec: {
      ...{ volumeMode: mode, accessModes, capacity, storageClassName: "thick" },
      claimRef: { name, namespace: NAMESPACE },
      ...(node !== undefined && { nodeAffinity: { required } }),
    },
    status: { phase: "Bound" },
  });
  server.update(Claims, { namespace: NAMESPACE, name }, (claim) => ({
    ...claim,
    spec: { ...claim.spec, volumeName },
    status: { phase: "Bound", accessModes, capacity },
  }));
}
