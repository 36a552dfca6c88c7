/** What the API server does not let in: quotas, limits, Pod Security, policies, accounts. */
import { expect, onTestFinished, test } from "vitest";
import type { LimitRange, ResourceQuota } from "kubernetes-types/core/v1.d.ts";
import { jobManifest } from "../jobs.ts";
import { ApiError } from "../client.ts";
import { adminClient } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import { expectGoesOn, expectWaiting, onlyJob } from "./states.ts";
import { world, type World } from "./world.ts";

const admin = adminClient();

/** A refused Job is asked for again only after half a minute. */
const AGAIN = { timeoutMs: 60_000 };

/** Makes a quota, which works from the moment on at which it is first counted. */
async function quota({ space }: World, hard: Record<string, string>): Promise<string> {
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

test.for([
  { hard: { pods: "0" }, raised: { pods: "10" }, words: "limited: pods=0" },
  {
    hard: { "limits.cpu": "500m" },
    raised: { "limits.cpu": "2" },
    words: "requested: limits.cpu=1",
  },
])("a quota that has no room for the pod: $words", async ({ hard, raised, words }) => {
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
});

test("a quota that has no room for the Job itself", async () => {
  const here = await world(admin);
  await here.claims();
  const path = await quota(here, { "count/jobs.batch": "0" });
  await here.imageDiff();
  await expectWaiting(here, "QuotaExceeded", [
    "The Job was refused",
    "exceeded quota: few",
    "count/jobs.batch",
  ]);
  expect(await here.jobs()).toEqual([]);
  await admin.patch(path, { spec: { hard: { "count/jobs.batch": "1" } } });
  await eventually(async () => (await here.jobs()).length === 1, AGAIN);
  await expectGoesOn(here);
});

test("a LimitRange that allows less than the engine's limits", async () => {
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
});

test("a LimitRange: or until the ImageDiff asks for less", async () => {
  const here = await world(admin);
  await here.claims();
  await admin.create<LimitRange>({
    apiVersion: "v1",
    kind: "LimitRange",
    metadata: { name: "small", namespace: here.space },
    spec: { limits: [{ type: "Container", max: { memory: "100Mi" } }] },
  });
  await here.imageDiff();
  await expectWaiting(here, "LimitRangeViolated", ["maximum memory usage per Container is 100Mi"]);
  await here.edit({ job: { resources: { limits: { memory: "100Mi" } } } });
  await expectGoesOn(here);
});

const RESTRICTED = { "pod-security.kubernetes.io/enforce": "restricted" };

test("a namespace of the restricted Pod Security level is good enough", async () => {
  const here = await world(admin, { labels: RESTRICTED });
  await here.claims();
  await here.imageDiff();
  await expectGoesOn(here);
});

test("a user's securityContext that the namespace's Pod Security level does not allow", async () => {
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
});

test("a service account that does not exist yet", async () => {
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
});

test("a priority class that does not exist: the API server's own sentence", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff("web-01", { job: { priorityClassName: "urgent" } });
  await expectWaiting(here, "PodRefused", [
    "The engine's pod was refused",
    "no PriorityClass with name urgent was found",
  ]);
  await here.edit({ job: { priorityClassName: null } });
  await expectGoesOn(here);
});

test("a policy of the cluster that refuses our Jobs", async () => {
  const here = await world(admin);
  await here.claims();
  const binding = await refuseJobs(here, "no Jobs before the audit");
  await here.imageDiff();
  await expectWaiting(here, "JobRefused", [
    "The Job was refused",
    "no Jobs before the audit",
    "whoever runs the cluster knows its rules and webhooks",
  ]);
  expect(await here.jobs()).toEqual([]);
  await admin.delete(binding);
  await eventually(async () => (await here.jobs()).length === 1, AGAIN);
  await expectGoesOn(here);
});

test("somebody else's Job of the same name is left alone, and told", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff("web-01", { suspend: true });
  await here.ready("Suspended");
  // The name is known as soon as there has been a Job.
  await here.edit({ suspend: false });
  const { metadata } = await onlyJob(here);
  const name = metadata?.name ?? "";
  await here.edit({ suspend: true });
  await here.ready("Suspended");
  const path = `/apis/batch/v1/namespaces/${here.space}/jobs/${name}`;
  await admin.delete(path, { propagationPolicy: "Background" });
  await eventually(async () => (await admin.find(path)) === undefined);
  const foreign = await admin.create(jobManifest(here.space, name, { suspend: true }));
  await here.edit({ suspend: false });
  await expectWaiting(here, "JobRefused", [
    `There is a Job ${name} in the namespace that ImageDiff did not make: delete it`,
  ]);
  await admin.delete(foreign, { propagationPolicy: "Background" });
  await eventually(async () => (await here.jobs()).length === 1, AGAIN);
  await expectGoesOn(here);
});

/** Sees to it that no Job can be made in the world's namespace; returns what to delete. */
async function refuseJobs({ space }: World, message: string): Promise<string> {
  const group = "admissionregistration.k8s.io";
  const policy = {
    apiVersion: `${group}/v1`,
    kind: "ValidatingAdmissionPolicy",
    metadata: { name: space },
    spec: {
      failurePolicy: "Fail",
      matchConstraints: {
        resourceRules: [
          {
            apiGroups: ["batch"],
            apiVersions: ["v1"],
            operations: ["CREATE"],
            resources: ["jobs"],
          },
        ],
      },
      validations: [{ expression: "false", message }],
    },
  };
  const binding = {
    apiVersion: `${group}/v1`,
    kind: "ValidatingAdmissionPolicyBinding",
    metadata: { name: space },
    spec: {
      policyName: space,
      validationActions: ["Deny"],
      matchResources: {
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": space } },
      },
    },
  };
  for (const object of [policy, binding]) {
    await admin.create(object);
    onTestFinished(async () => admin.delete(object));
  }
  // It takes the API server a moment to heed them.
  await eventually(async () => {
    try {
      await admin.create(jobManifest(space, "probe"), { query: { dryRun: "All" } });
      return false;
    } catch (why) {
      return why instanceof ApiError && why.message.includes(message);
    }
  });
  return admin.path(binding);
}
