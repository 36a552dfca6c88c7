/** What the tests of the operator's states share: how a state reads, and how it is left. */
import { expect, onTestFinished } from "vitest";
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { Pod, ResourceQuota } from "kubernetes-types/core/v1.d.ts";
import { GROUP } from "../../../src/api/resource.ts";
import type { Condition, ImageDiffStatus, Phase } from "../../../src/api/status.ts";
import { expectKstatus } from "../../operator/plan/kstatus.ts";
import { eventually } from "../eventually.ts";
import type { PlayedPod } from "../pod.ts";
import { watch } from "../watch.ts";
import { result, succeeds } from "./engine.ts";
import type { World } from "./world.ts";

export interface Told {
  /** Of which ImageDiff. */
  name?: string;
  phase?: Phase;
  /** What the operator looks for again only after a while takes longer than other things. */
  timeoutMs?: number;
}

export function conditionOf(
  { conditions = [] }: ImageDiffStatus,
  type: string,
): Condition | undefined {
  return conditions.find((condition) => condition.type === type);
}

/**
 * Expects that the work waits for that reason, with a message that has all these words: what
 * stands in the way, and what to do about it.
 */
export async function expectWaiting(
  here: World,
  reason: string,
  words: readonly string[],
  told: Told = {},
): Promise<ImageDiffStatus> {
  const { name = "web-01", phase = "Waiting" } = told;
  const resource = await toldOf(here, reason, words, told);
  expect(conditionOf(resource.status, "Reconciling"), `${name} moves on`).toMatchObject({
    status: "True",
  });
  expect(resource.status.phase, `the phase of ${name}`).toBe(phase);
  expect(expectKstatus(resource), `kstatus of ${name}`).toBe("InProgress");
  return resource.status;
}

/** Expects that it has failed for good, for that reason. */
export async function expectFailed(
  here: World,
  reason: string,
  words: readonly string[],
  told: Told = {},
): Promise<ImageDiffStatus> {
  const { name = "web-01" } = told;
  const resource = await toldOf(here, reason, words, told);
  expect(conditionOf(resource.status, "Stalled"), `${name} has stalled`).toMatchObject({
    status: "True",
    reason,
  });
  expect(resource.status.completionTime, `the end of ${name}`).toBeDefined();
  expect(expectKstatus(resource), `kstatus of ${name}`).toBe("Failed");
  return resource.status;
}

async function toldOf(
  here: World,
  reason: string,
  words: readonly string[],
  { name = "web-01", timeoutMs }: Told,
): ReturnType<World["get"]> {
  return eventually(
    async () => {
      const resource = await here.get(name);
      const ready = conditionOf(resource.status ?? {}, "Ready");
      const what = `${ready?.reason}: ${ready?.message}`;
      expect(ready, `${name} is ${what}`).toMatchObject({ status: "False", reason });
      for (const word of words) expect(ready?.message, `what ${name} says`).toContain(word);
      expect(resource.status.observedGeneration, `what ${name} has seen`).toBe(
        resource.metadata.generation,
      );
      return resource;
    },
    timeoutMs === undefined ? {} : { timeoutMs },
  );
}

/** The claims of `imageDiff`, for many at once: no engine has to follow another to its node. */
export async function claimsForMany(here: World): Promise<void> {
  const accessModes = ["ReadWriteMany"];
  await Promise.all(
    ["golden", "root", "thin"].map(async (name) => here.claim(name, { accessModes })),
  );
}

/** The engine's pod of an ImageDiff, once there is one that is on no node yet. */
export async function waitingPod(here: World, name = "web-01"): Promise<Pod> {
  return eventually(async () =>
    (await here.pods(`${GROUP}/name=${name}`)).find(
      ({ spec, metadata }) =>
        spec?.nodeName === undefined && metadata?.deletionTimestamp === undefined,
    ),
  );
}

/** The same, placed on the world's node. */
export async function placed(here: World, name = "web-01"): Promise<PlayedPod> {
  return here.kubelet.run(await waitingPod(here, name));
}

/** The same, with the engine started in it, and the status telling so. */
export async function working(here: World): Promise<PlayedPod> {
  const pod = await placed(here);
  await pod.start();
  await here.ready("Starting");
  return pod;
}

/**
 * Expects that the work goes on without a hand on the resource: its engine starts and succeeds,
 * and it is Ready.
 * @param pod the engine's, if it is on the node already.
 */
export async function expectGoesOn(
  here: World,
  name = "web-01",
  pod?: PlayedPod,
): Promise<ImageDiffStatus> {
  const { generation } = (await here.get(name)).metadata;
  const { output } = (await here.get(name)).spec;
  const path = `/volumes/${output.claimName}/${output.path ?? `${name}.qcow2`}`;
  await succeeds(pod ?? (await placed(here, name)), result(path));
  const status = await here.ready("OverlayReady", name);
  const resource = await here.get(name);
  expect(resource.metadata.generation).toBe(generation);
  expect(status.phase).toBe("Succeeded");
  expect(conditionOf(status, "SourcesIdle")).toMatchObject({ status: "True" });
  expect(conditionOf(status, "Schedulable")?.status).not.toBe("False");
  expect(conditionOf(status, "Verified")).toMatchObject({ status: "True" });
  expect(expectKstatus(resource)).toBe("Current");
  return status;
}

/** The ImageDiff's Job; there must be no more than one. */
export async function onlyJob(here: World): Promise<Job> {
  const jobs = await eventually(async () => {
    const found = await here.jobs();
    return found.length > 0 && found;
  });
  expect(jobs).toHaveLength(1);
  const [job] = jobs;
  if (job === undefined) throw new Error("there is no Job");
  return job;
}

/** The path of the volume that `World.claim` has made for a claim. */
export function volumeOf({ space }: World, claimName: string): string {
  return `/api/v1/persistentvolumes/${space}-${claimName}`;
}

/** The nodes that a pod is bound to by name. */
export function nodesOf({ spec }: Pod): string[] {
  const { nodeSelectorTerms = [] } =
    spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? {};
  return nodeSelectorTerms.flatMap(({ matchFields = [] }) =>
    matchFields.flatMap(({ values = [] }) => values),
  );
}

/** How many of the engine's pods have been there at once at most, the ended ones apart. */
export async function mostAtOnce({ admin, space }: World): Promise<() => number> {
  const live = new Set<string>();
  let most = 0;
  const end = new AbortController();
  const watching = watch<Pod>(
    admin,
    `/api/v1/namespaces/${space}/pods`,
    { labelSelector: "app.kubernetes.io/component=engine" },
    ({ type, object: { metadata, status } }) => {
      const over = ["Succeeded", "Failed"].includes(status?.phase ?? "");
      if (type === "deleted" || over) live.delete(metadata?.uid ?? "");
      else live.add(metadata?.uid ?? "");
      most = Math.max(most, live.size);
    },
    end.signal,
  );
  onTestFinished(async () => {
    end.abort();
    await watching.done;
  });
  await watching.ready;
  return () => most;
}

/**
 * Plays scenes that mostly wait side by side, each in a world of its own.
 * @throws AggregateError that names those that failed.
 */
export async function expectScenes(scenes: Record<string, () => Promise<void>>): Promise<void> {
  const failures: Error[] = [];
  const all = Object.entries(scenes).map(async ([name, play]) => {
    await play().catch((why: unknown) =>
      failures.push(new Error(`${name}: ${String(why)}`, { cause: why })),
    );
  });
  await Promise.all(all);
  if (failures.length > 0) {
    throw new AggregateError(failures, failures.map(({ message }) => message).join("\n"));
  }
}

/** Makes a quota, which works from the moment on at which it is first counted. */
export async function quota(
  { admin, space }: World,
  hard: Record<string, string>,
): Promise<string> {
  const path = `/api/v1/namespaces/${space}/resourcequotas/few`;
  await admin.create<ResourceQuota>({
    apiVersion: "v1",
    kind: "ResourceQuota",
    metadata: { name: "few", namespace: space },
    spec: { hard },
  });
  await eventually(
    async () => (await admin.get<ResourceQuota>(path)).status?.hard?.[Object.keys(hard)[0] ?? ""],
  );
  return path;
}
