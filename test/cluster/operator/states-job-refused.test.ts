/** What keeps the operator from making the Job: a quota, a policy, another Job of its name. */
import { expect, onTestFinished, test } from "vitest";
import { jobManifest } from "../jobs.ts";
import { ApiError } from "../client.ts";
import { adminClient } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import { expectScenes, quota, expectGoesOn, expectWaiting, onlyJob } from "./states.ts";
import { world, type World } from "./world.ts";

const admin = adminClient();

/** A refused Job is asked for again only after half a minute. */
const AGAIN = { timeoutMs: 60_000 };

const scenes = {
  "a quota that has no room for the Job itself": async () => {
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
  },
  "a policy of the cluster that refuses our Jobs": async () => {
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
  },
  "a webhook that must be asked about Jobs, and is away": async () => {
    const here = await world(admin);
    await here.claims();
    const webhook = await askAbsentWebhook(here);
    await here.imageDiff();
    await expectWaiting(here, "JobRefused", ["The Job was refused", "failed calling webhook"]);
    await admin.delete(webhook);
    await eventually(async () => (await here.jobs()).length === 1, AGAIN);
    await expectGoesOn(here);
  },
  "somebody else's Job of the same name is left alone, and told": async () => {
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
  },
};

test("a Job that is refused: why is told, and it is asked for again", async () => {
  await expectScenes(scenes);
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
  await refusedWith(space, message);
  return admin.path(binding);
}

/** Has the API server ask a webhook about Jobs that nobody serves; returns what to delete. */
async function askAbsentWebhook({ space }: World): Promise<string> {
  const webhook = {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingWebhookConfiguration",
    metadata: { name: space },
    webhooks: [
      {
        name: "jobs.example.com",
        // Nothing listens there: the connection is refused at once.
        clientConfig: { url: "https://127.0.0.1:1/" },
        rules: [
          {
            apiGroups: ["batch"],
            apiVersions: ["v1"],
            operations: ["CREATE"],
            resources: ["jobs"],
          },
        ],
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": space } },
        failurePolicy: "Fail",
        sideEffects: "None",
        admissionReviewVersions: ["v1"],
      },
    ],
  };
  await admin.create(webhook);
  onTestFinished(async () => admin.delete(webhook));
  await refusedWith(space, "failed calling webhook");
  return admin.path(webhook);
}

/** It takes the API server a moment to heed a new rule. */
async function refusedWith(space: string, message: string): Promise<void> {
  await eventually(async () => {
    try {
      await admin.create(jobManifest(space, "probe"), { query: { dryRun: "All" } });
      return false;
    } catch (why) {
      return why instanceof ApiError && why.message.includes(message);
    }
  });
}
