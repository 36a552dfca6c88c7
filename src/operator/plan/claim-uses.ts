/** How a pod uses claims. */
import type { Pod, Volume } from "kubernetes-types/core/v1.d.ts";

export interface ClaimUse {
  claimName: string;
  /** Whether no container of the pod can write to it. */
  readOnly: boolean;
}

/** The claims that a pod uses, those of its generic ephemeral volumes included. */
export function claimUses(pod: Pod): ClaimUse[] {
  return (pod.spec?.volumes ?? []).flatMap((volume) => {
    const claimName = claimNameOf(volume, pod.metadata?.name ?? "");
    if (claimName === undefined) return [];
    const readOnly =
      volume.persistentVolumeClaim?.readOnly === true || isMountedReadOnly(volume.name, pod);
    return [{ claimName, readOnly }];
  });
}

/** The claim of a generic ephemeral volume is named after its pod and itself (KEP-1698). */
function claimNameOf(volume: Volume, podName: string): string | undefined {
  if (volume.ephemeral !== undefined) return `${podName}-${volume.name}`;
  return volume.persistentVolumeClaim?.claimName;
}

/** A device has no read-only use of its own; a volume that no container mounts tells nothing. */
function isMountedReadOnly(volumeName: string, { spec }: Pod): boolean {
  const containers = [
    ...(spec?.initContainers ?? []),
    ...(spec?.containers ?? []),
    ...(spec?.ephemeralContainers ?? []),
  ];
  const devices = containers.flatMap(({ volumeDevices = [] }) => volumeDevices);
  const mounts = containers
    .flatMap(({ volumeMounts = [] }) => volumeMounts)
    .filter(({ name }) => name === volumeName);
  if (devices.some(({ name }) => name === volumeName)) return false;
  return mounts.length > 0 && mounts.every(({ readOnly }) => readOnly === true);
}
