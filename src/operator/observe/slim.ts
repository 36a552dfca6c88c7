/**
 * What the caches keep of an object: what decisions look at, and no more. A pod of a cluster with
 * thousands is some hundred bytes then, not some thousand.
 */
import type {
  Container,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
} from "kubernetes-types/core/v1.d.ts";
import type { StorageClass } from "kubernetes-types/storage/v1.d.ts";
import type { KubeObject } from "../../kube/resource-type.ts";

/** Without what the API server keeps for itself; every kind. */
export function withoutManagedFields<T extends KubeObject>(object: T): T {
  if (object.metadata === undefined) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

export function slimPod(pod: Pod): Pod {
  const { spec, status } = pod;
  const { annotations: _, ...metadata } = withoutManagedFields(pod).metadata ?? {};
  if (spec === undefined) return { metadata };
  return {
    metadata,
    spec: {
      ...(spec.nodeName === undefined ? {} : { nodeName: spec.nodeName }),
      containers: spec.containers.map(slimContainer),
      ...(spec.initContainers && { initContainers: spec.initContainers.map(slimContainer) }),
      ...(spec.ephemeralContainers && {
        ephemeralContainers: spec.ephemeralContainers.map(slimContainer),
      }),
      volumes: (spec.volumes ?? []).filter(
        ({ persistentVolumeClaim, ephemeral }) =>
          persistentVolumeClaim !== undefined || ephemeral !== undefined,
      ),
    },
    ...(status === undefined ? {} : { status }),
  };
}

/** A container's mounts tell whether it may write; its memory limit why it was killed. */
function slimContainer({ name, volumeMounts, volumeDevices, resources }: Container): Container {
  return {
    name,
    ...(volumeMounts && { volumeMounts }),
    ...(volumeDevices && { volumeDevices }),
    ...(resources && { resources }),
  };
}

export function slimClaim(claim: PersistentVolumeClaim): PersistentVolumeClaim {
  const { annotations: _, ...metadata } = withoutManagedFields(claim).metadata ?? {};
  return { ...claim, metadata };
}

export function slimVolume({ metadata, spec, status }: PersistentVolume): PersistentVolume {
  return {
    metadata: { name: metadata?.name ?? "", ...(metadata?.uid && { uid: metadata.uid }) },
    ...(spec === undefined ? {} : { spec }),
    ...(status === undefined ? {} : { status }),
  };
}

export function slimStorageClass(storageClass: StorageClass): StorageClass {
  const { metadata, provisioner, volumeBindingMode } = storageClass;
  return {
    metadata: { name: metadata?.name ?? "" },
    provisioner,
    ...(volumeBindingMode === undefined ? {} : { volumeBindingMode }),
  };
}
