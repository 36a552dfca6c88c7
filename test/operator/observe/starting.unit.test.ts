import { expect, test } from "vitest";
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { Store } from "../../../src/kube/store.ts";
import type { Caches } from "../../../src/operator/observe/caches.ts";
import { imageDiffIndexes, jobIndexes, podIndexes } from "../../../src/operator/observe/indexes.ts";
import { Places } from "../../../src/operator/observe/places.ts";
import { startingUsers } from "../../../src/operator/observe/starting.ts";
import type { StoredImageDiff } from "../../../src/operator/resources.ts";

const now = new Date("2026-01-02T03:04:30Z");
const justNow = "2026-01-02T03:04:20Z";
const longAgo = "2026-01-01T00:00:00Z";

function imageDiff(name: string, root: string): StoredImageDiff {
  return {
    metadata: { name, namespace: "vms", uid: `uid-${name}` },
    spec: {
      base: { claimName: "golden", path: "disk.img", format: "raw" },
      modified: { claimName: root, path: "disk.img", format: "raw" },
    },
  };
}

/** @param startTime when the Job controller first saw it, or saw it resumed. */
function jobOf(name: string, startTime?: string, suspend = false): Job {
  const owner = { apiVersion: "v1", kind: "ImageDiff", name, uid: `uid-${name}`, controller: true };
  return {
    metadata: {
      name: `job-${name}`,
      namespace: "vms",
      creationTimestamp: longAgo,
      ownerReferences: [owner],
    },
    spec: { suspend, template: {} },
    ...(startTime === undefined ? {} : { status: { startTime } }),
  };
}

function podOf(name: string, phase: string): Pod {
  return {
    metadata: {
      name: `pod-${name}`,
      namespace: "vms",
      labels: { "batch.kubernetes.io/job-name": `job-${name}` },
    },
    status: { phase },
  };
}

/** The names of those whose pods web-01 has to wait for, where it shares the claim golden. */
function others(
  { jobs = [], pods = [] }: { jobs?: Job[]; pods?: Pod[] },
  reserve: (places: Places) => void = () => {},
): unknown[] {
  const caches = {
    imageDiffs: new Store(imageDiffIndexes),
    jobs: new Store<Job>(jobIndexes),
    pods: new Store<Pod>(podIndexes),
  };
  caches.imageDiffs.replaceAll(["web-01", "web-02"].map((name) => imageDiff(name, `${name}-root`)));
  caches.jobs.replaceAll(jobs);
  caches.pods.replaceAll(pods);
  const places = new Places(caches.jobs, caches.pods);
  reserve(places);
  const own = { namespace: "vms", claims: ["golden", "web-01-root"], uid: "uid-web-01" };
  return startingUsers(caches as unknown as Caches, places, now, own).map(({ engine, pod }) => [
    engine?.imageDiff,
    pod.spec?.nodeName,
    pod.spec?.volumes?.map(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName),
  ]);
}

const web02 = [["web-02", undefined, ["golden", "web-02-root"]]];

test("a Job that has just been made holds its claims before its pod is there", () => {
  expect(others({ jobs: [jobOf("web-02")] })).toEqual(web02);
});

test("so does one that has just been resumed", () => {
  expect(others({ jobs: [jobOf("web-02", justNow)] })).toEqual(web02);
});

test("so does one that has just been asked for", () => {
  const reserve = (places: Places): void =>
    places.reserve({ namespace: "vms", name: "job-web-02" }, { name: "web-02", uid: "uid-web-02" });
  expect(others({}, reserve)).toEqual(web02);
});

test("a pod speaks for itself; one that has ended does not stand for the next", () => {
  const jobs = [jobOf("web-02")];
  expect(others({ jobs, pods: [podOf("web-02", "Pending")] })).toEqual([]);
  expect(others({ jobs, pods: [podOf("web-02", "Failed")] })).toEqual(web02);
});

test("its own Job, a suspended one, and one that gets no pod hold nothing", () => {
  expect(others({ jobs: [jobOf("web-01")] })).toEqual([]);
  expect(others({ jobs: [jobOf("web-02", justNow, true)] })).toEqual([]);
  expect(others({ jobs: [jobOf("web-02", "2026-01-02T03:03:00Z")] })).toEqual([]);
});
