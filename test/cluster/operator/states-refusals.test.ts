/** What keeps the Job controller from making the pod: quotas, limits, Pod Security, accounts. */
import { expect, test } from "vitest";
import type { LimitRange } from "kubernetes-types/core/v1.d.ts";
import { adminClient } from "../cluster.ts";
import { expectScenes, quota, expectGoesOn, expectWaiting, onlyJob } from "./states.ts";
import { world } from "./world.ts";

const admin = adminClient();

const RESTRICTED = { "pod-security.kubernetes.io/enforce": "restricted" };

const scenes = {
  "a quota that has no room for it": async () =>
    quotaRaised({ pods: "0" }, { pods: "10" }, "limited: pods=0"),
  "a quota that has too little for it": async () =>
    quotaRaised({ "limits.cpu": "500m" }, { "limits.cpu": "2" }, "requested: limits.cpu=1"),
  "a LimitRange that allows less than the engine's limits": async () => {
    const here = await world(admin);
    await here.claims();
    const range = await admin.create<LimitRange>({
      apiVersion: "v1",
      kind: "LimitRange",
      metadata: { name: "small", namespace: here.space },
      spec: { limits: [{ type: "Container", max: { memory: "100Mi" } }] },
    });
    await here.imageDiff();
    await expectWaiting(here, "LimitRangeViolated", [
      "The engine's pod was refused",
      "maximum memory usage per Container is 100Mi",
      "Ask in spec.job.resources for what the namespace's LimitRange allows",
    ]);
    await admin.delete(range);
    await expectGoesOn(here);
  },
  "a LimitRange: or until the ImageDiff asks for less": async () => {
    const here = await world(admin);
    await here.claims();
    await admin.create<LimitRange>({
      apiVersion: "v1",
      kind: "LimitRange",
      metadata: { name: "small", namespace: here.space },
      spec: { limits: [{ type: "Container", max: { memory: "100Mi" } }] },
    });
    await here.imageDiff();
    await expectWaiting(here, "LimitRangeViolated", [
      "maximum memory usage per Container is 100Mi",
    ]);
    await here.edit({ job: { resources: { limits: { memory: "100Mi" } } } });
    await expectGoesOn(here);
  },
  "a user's securityContext that the namespace's Pod Security level does not allow": async () => {
    const here = await world(admin, { labels: RESTRICTED });
    await here.claims();
    const podSecurityContext = { runAsUser: 0, runAsNonRoot: false };
    await here.imageDiff("web-01", { job: { podSecurityContext } });
    await expectWaiting(here, "PodSecurityViolated", [
      "The engine's pod was refused",
      'violates PodSecurity "restricted:latest"',
      "runAsNonRoot",
      "Keep spec.job.podSecurityContext within the namespace's Pod Security level",
    ]);
    const labels = { "pod-security.kubernetes.io/enforce": "privileged" };
    await admin.patch(`/api/v1/namespaces/${here.space}`, { metadata: { labels } });
    await expectGoesOn(here);
  },
  "a service account that does not exist yet": async () => {
    const here = await world(admin);
    await here.claims();
    await here.imageDiff("web-01", { job: { serviceAccountName: "engine" } });
    await expectWaiting(here, "ServiceAccountMissing", [
      "The engine's pod was refused",
      'serviceaccount "engine" not found',
      "Create the ServiceAccount, or name another in spec.job.serviceAccountName",
    ]);
    await admin.create({
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: "engine", namespace: here.space },
    });
    await expectGoesOn(here);
  },
  "a priority class that does not exist: the API server's own sentence": async () => {
    const here = await world(admin);
    await here.claims();
    await here.imageDiff("web-01", { job: { priorityClassName: "urgent" } });
    await expectWaiting(here, "PodRefused", [
      "The engine's pod was refused",
      "no PriorityClass with name urgent was found",
    ]);
    await here.edit({ job: { priorityClassName: null } });
    await expectGoesOn(here);
  },
};

test("a pod that is refused: why is told, and the work goes on once it no longer is", async () => {
  await expectScenes(scenes);
});

async function quotaRaised(
  hard: Record<string, string>,
  raised: Record<string, string>,
  words: string,
): Promise<void> {
  const here = await world(admin);
  await here.claims();
  const path = await quota(here, hard);
  await here.imageDiff();
  await expectWaiting(here, "QuotaExceeded", [
    "The engine's pod was refused",
    "exceeded quota: few",
    words,
    "Free some of the namespace's quota",
  ]);
  const job = await onlyJob(here);
  await admin.patch(path, { spec: { hard: raised } });
  await expectGoesOn(here);
  expect((await onlyJob(here)).metadata?.uid).toBe(job.metadata?.uid);
}

test("a namespace of the restricted Pod Security level is good enough", async () => {
  const here = await world(admin, { labels: RESTRICTED });
  await here.claims();
  await here.imageDiff();
  await expectGoesOn(here);
});
