/**
 * What the caches keep of an object: what decisions look at, and no more. Most pods of a cluster
 * are none of our business, and of those nothing is kept but who they are.
 */
import type {
  Container,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
} from "kubernetes-types/core/v1.d.ts";
import type { StorageClass } from "kubernetes-types/storage/v1.d.ts";
import type { KubeObject } from "../../kube/resource-type.ts";
import { JOB_NAME_LABEL } from "../plan/labels.ts";

/** Without what the API server keeps for itself; every kind. */
export function withoutManagedFields<T extends KubeObject>(object: T): T {
  if (object.metadata === undefined) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

export function slimPod(pod: Pod): Pod {
  const { spec, status = {} } = pod;
  const { annotations: _, ...metadata } = withoutManagedFields(pod).metadata ?? {};
  const volumes = (spec?.volumes ?? []).filter(
    ({ persistentVolumeClaim, ephemeral }) =>
      persistentVolumeClaim !== undefined || ephemeral !== undefined,
  );
  if (spec === undefined || volumes.length === 0) return stranger(metadata);
  const mayBeEngine = metadata.labels?.[JOB_NAME_LABEL] !== undefined;
  return {
    metadata,
    spec: {
      ...(spec.nodeName === undefined ? {} : { nodeName: spec.nodeName }),
      containers: spec.containers.map(slimContainer),
      ...(spec.initContainers && { initContainers: spec.initContainers.map(slimContainer) }),
      ...(spec.ephemeralContainers && {
        ephemeralContainers: spec.ephemeralContainers.map(slimContainer),
      }),
      volumes,
    },
    status: mayBeEngine ? status : slimStatus(status),
  };
}

/** A pod that uses no claim. */
function stranger({ namespace, name, uid, resourceVersion }: NonNullable<Pod["metadata"]>): Pod {
  return {
    metadata: {
      ...(namespace && { namespace }),
      ...(name && { name }),
      ...(uid && { uid }),
      ...(resourceVersion && { resourceVersion }),
    },
  };
}

/** Of a pod that somebody else runs it matters whether it has ended. */
function slimStatus({ phase }: NonNullable<Pod["status"]>): NonNullable<Pod["status"]> {
  return phase === undefined ? {} : { phase };
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
