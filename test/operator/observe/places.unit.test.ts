/** Who may have a Job next: what counts between the start of a Job and the cache's hearing of it. */
import { beforeEach, expect, test, vi } from "vitest";
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { Store } from "../../../src/kube/store.ts";
import { jobIndexes, podIndexes } from "../../../src/operator/observe/indexes.ts";
import { Places } from "../../../src/operator/observe/places.ts";

const now = new Date("2026-01-02T03:04:30Z");
const key = { namespace: "vms", name: "job-1" };
const owner = { name: "web-01", uid: "uid-web-01" };
const resource = { namespace: "vms", name: owner.name };

function job(resourceVersion: string, { uid = "first", suspend = false } = {}): Job {
  return { metadata: { ...key, uid, resourceVersion }, spec: { suspend, template: {} } };
}

function ended(resourceVersion: string): Job {
  const over = { conditions: [{ type: "Complete", status: "True" }] };
  return { ...job(resourceVersion), status: over };
}

let jobs: Store<Job>;
let places: Places;
const released = vi.fn<() => void>();

beforeEach(() => {
  released.mockClear();
  jobs = new Store<Job>(jobIndexes);
  places = new Places(jobs, new Store<Pod>(podIndexes), released);
});

/** How many of 4 places are free. */
const free = (): number => places.free(4);

/** The cache hears of a Job, as the watch tells it. */
function hear(after: Job): void {
  const before = jobs.get(key);
  jobs.upsert(after);
  places.heard(before === undefined ? { after } : { before, after });
}

function hearOfEnd(): void {
  const before = jobs.get(key);
  if (before === undefined) throw new Error("the cache has no Job");
  jobs.remove(key);
  places.heard({ before });
}

test("a Job counts once from its start on", () => {
  places.reserve(key, owner);
  expect(free()).toBe(3);
  places.confirm(job("10"));
  expect(free()).toBe(3);
  hear(job("10"));
  expect(free()).toBe(3);
  hearOfEnd();
  expect(free()).toBe(4);
});

test("so does one of which the cache hears before the API server's answer comes", () => {
  places.reserve(key, owner);
  hear(job("10"));
  places.confirm(job("10"));
  hearOfEnd();
  expect(free()).toBe(4);
});

test("one that has ended before the answer comes gives its place back", () => {
  places.reserve(key, owner);
  hear(ended("20"));
  expect(released).not.toHaveBeenCalled();
  places.confirm(job("10"));
  expect(free()).toBe(4);
  expect(released).toHaveBeenCalledOnce();
});

test("what the cache hears of the time before its start changes nothing", () => {
  places.reserve(key, owner);
  places.confirm(job("30", { uid: "second" }));
  hear(job("10"));
  expect(free()).toBe(3);
  hear(job("20", { suspend: true }));
  expect(free()).toBe(3);
  hearOfEnd();
  expect(free()).toBe(3);
  hear(job("30", { uid: "second" }));
  hearOfEnd();
  expect(free()).toBe(4);
});

test("one that did not start gives its place back, and that is told once", () => {
  places.reserve(key, owner);
  places.release(key);
  places.release(key);
  expect(free()).toBe(4);
  expect(released).toHaveBeenCalledOnce();
});

test("one of which no answer came keeps its place, and is to be asked for", () => {
  places.reserve(key, owner);
  expect(places.unsettled(resource, owner.uid)).toEqual([]);
  places.doubt(key);
  expect(places.unsettled(resource, owner.uid)).toEqual([{ job: key, orphaned: false }]);
  expect(free()).toBe(3);
  places.confirm(job("10"));
  expect(places.unsettled(resource, owner.uid), "it may go unheard").toHaveLength(1);
  hear(job("10"));
  expect(places.unsettled(resource, owner.uid)).toEqual([]);
});

test("so is one whose ImageDiff is gone, with or without a successor of its name", () => {
  places.reserve(key, owner);
  places.confirm(job("10"));
  const orphaned = [{ job: key, orphaned: true }];
  expect(places.unsettled(resource, undefined)).toEqual(orphaned);
  expect(places.unsettled(resource, "uid-successor")).toEqual(orphaned);
  expect(places.unsettled({ ...resource, namespace: "other" }, undefined)).toEqual([]);
  expect(places.keys()).toEqual(["vms/web-01"]);
});

test("who has a place does not queue for one; others do, in their order", () => {
  for (const name of ["vms/web-03", "vms/web-01", "vms/web-02"]) places.settle(name, true);
  places.reserve(key, owner);
  expect(places.load("vms/web-01", owner.uid, now)).toMatchObject({ jobs: 0, waitingBefore: 0 });
  expect(places.load("vms/web-02", "uid-web-02", now)).toMatchObject({ jobs: 1, waitingBefore: 2 });
});

test("a node is as full as it may get, but not by what gets no pod or goes elsewhere", () => {
  const required = {
    nodeSelectorTerms: [
      { matchFields: [{ key: "metadata.name", operator: "In", values: ["node-7"] }] },
    ],
  };
  const nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution: required };
  const jobOf = (name: string, startTime: string, affinity = {}): Job => ({
    metadata: { namespace: "vms", name },
    spec: { template: { spec: { containers: [], affinity } } },
    status: { startTime },
  });
  jobs.replaceAll([
    jobOf("new", "2026-01-02T03:04:20Z"),
    jobOf("refused", "2026-01-02T03:00:00Z"),
    jobOf("pinned", "2026-01-02T03:04:20Z", { nodeAffinity }),
  ]);
  const { jobs: all, unplaced, perNode } = places.load("vms/web-01", owner.uid, now);
  expect({ all, unplaced, perNode }).toEqual({
    all: 3,
    unplaced: 1,
    perNode: new Map([["node-7", 1]]),
  });
});
