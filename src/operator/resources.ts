/** The kinds of object that the operator works with. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { PersistentVolume, PersistentVolumeClaim, Pod } from "kubernetes-types/core/v1.d.ts";
import type { Event } from "kubernetes-types/core/v1.d.ts";
import type { StorageClass } from "kubernetes-types/storage/v1.d.ts";
import { API_VERSION, KIND, type ImageDiff } from "../api/resource.ts";
import type { ImageDiffStatus } from "../api/status.ts";
import type { KubeObject, ResourceType } from "../kube/resource-type.ts";

/** An ImageDiff as the API server has it: checked by its schema, not yet by ours. */
export interface StoredImageDiff extends KubeObject {
  spec?: Partial<ImageDiff["spec"]>;
  status?: ImageDiffStatus;
}

export const ImageDiffs: ResourceType<StoredImageDiff> = {
  apiVersion: API_VERSION,
  kind: KIND,
  plural: "imagediffs",
  namespaced: true,
};

export const Jobs: ResourceType<Job> = {
  apiVersion: "batch/v1",
  kind: "Job",
  plural: "jobs",
  namespaced: true,
};

export const Pods: ResourceType<Pod> = {
  apiVersion: "v1",
  kind: "Pod",
  plural: "pods",
  namespaced: true,
};

export const Claims: ResourceType<PersistentVolumeClaim> = {
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  plural: "persistentvolumeclaims",
  namespaced: true,
};

export const PersistentVolumes: ResourceType<PersistentVolume> = {
  apiVersion: "v1",
  kind: "PersistentVolume",
  plural: "persistentvolumes",
  namespaced: false,
};

export const StorageClasses: ResourceType<StorageClass> = {
  apiVersion: "storage.k8s.io/v1",
  kind: "StorageClass",
  plural: "storageclasses",
  namespaced: false,
};

/** Read, to find out why a Job has no pod or why a pod does not start. */
export const Events: ResourceType<Event> = {
  apiVersion: "v1",
  kind: "Event",
  plural: "events",
  namespaced: true,
};
