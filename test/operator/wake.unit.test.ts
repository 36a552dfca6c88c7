/** Which changes of pods are worth a look at those that wait for a place. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { expect, test, vi } from "vitest";
import { Store } from "../../src/kube/store.ts";
import type { Caches } from "../../src/operator/observe/caches.ts";
import { imageDiffIndexes, jobIndexes, podIndexes } from "../../src/operator/observe/indexes.ts";
import { Places } from "../../src/operator/observe/places.ts";
import type { StoredImageDiff } from "../../src/operator/resources.ts";
import { listeners } from "../../src/operator/wake.ts";

const job: Job = {
  metadata: {
    name: "job",
    namespace: "vms",
    ownerReferences: [
      { apiVersion: "v1", kind: "ImageDiff", name: "web-01", uid: "u", controller: true },
    ],
  },
};

function pod(nodeName?: string, labels = { "batch.kubernetes.io/job-name": "job" }): Pod {
  const spec = { containers: [], ...(nodeName && { nodeName }) };
  return { metadata: { name: "p", namespace: "vms", labels }, spec };
}

function world() {
  const caches = {
    imageDiffs: new Store<StoredImageDiff>(imageDiffIndexes),
    jobs: new Store<Job>(jobIndexes),
    pods: new Store<Pod>(podIndexes),
  };
  caches.jobs.upsert(job);
  const places = new Places(caches.jobs, caches.pods);
  const placed = vi.fn<() => void>();
  const wake = vi.fn<(key: string) => void>();
  const told = listeners({
    caches: () => caches as unknown as Caches,
    places: () => places,
    wake,
    wakeWaiting: () => undefined,
    placed,
    forget: () => undefined,
  });
  return { told, placed, wake };
}

test("an engine that gets its node might have come to any until then", () => {
  const { told, placed, wake } = world();
  told.pod({ after: pod() });
  expect(placed).not.toHaveBeenCalled();
  told.pod({ before: pod(), after: pod("node-1") });
  expect(placed).toHaveBeenCalledOnce();
  told.pod({ before: pod("node-1"), after: pod("node-1") });
  expect(placed).toHaveBeenCalledOnce();
  told.pod({ before: pod("node-1") });
  expect(placed).toHaveBeenCalledTimes(2);
  expect(wake).toHaveBeenCalledWith("vms/web-01");
});

test("other pods' nodes are nobody's business", () => {
  const { told, placed } = world();
  told.pod({ after: pod("node-1", { "batch.kubernetes.io/job-name": "another" }) });
  expect(placed).not.toHaveBeenCalled();
});
