/** What keeps the engine's container from starting on its node, and that it starts then. */
import { expect, test } from "vitest";
import { adminClient } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import type { PlayedPod } from "../pod.ts";
import { claimsForMany, conditionOf, expectGoesOn, expectWaiting, placed } from "./states.ts";
import { settings, world } from "./world.ts";

const admin = adminClient();

test.for([
  {
    waits: "ErrImagePull",
    says: 'failed to pull and unpack image "example.com/imagediff-engine:test": not found',
    reason: "ImagePullFailed",
    cure: "Check its name, the registry and spec.job.imagePullSecrets",
  },
  {
    waits: "ErrImageNeverPull",
    says: 'Container image "x" is not present with pull policy of Never',
    reason: "ImagePullFailed",
    cure: "Check its name, the registry",
  },
  {
    waits: "InvalidImageName",
    says: 'Failed to apply default image tag "a b": couldn\'t parse image name',
    reason: "ImagePullFailed",
    cure: "Check its name, the registry",
  },
  {
    waits: "CreateContainerConfigError",
    says: "container has runAsNonRoot and image will run as root",
    reason: "ContainerNotStarted",
    cure: "Check spec.job.podSecurityContext",
  },
  {
    waits: "CreateContainerError",
    says: "failed to create containerd container: device or resource busy",
    reason: "ContainerNotStarted",
    cure: "Check spec.job.podSecurityContext",
  },
])("the container waits: $waits", async ({ waits, says, reason, cure }) => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff();
  const pod = await placed(here);
  await pod.waiting(waits, says);
  const image = reason === "ImagePullFailed" ? [settings.engineImage] : [];
  const status = await expectWaiting(here, reason, [pod.name, waits, says, cure, ...image]);
  expect(conditionOf(status, "Schedulable"), "it has a node").toMatchObject({ status: "True" });
  await expectGoesOn(here, "web-01", pod);
});

test("an image that is pulled again and again is told once, with what went wrong", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff();
  const pod = await placed(here);
  for (let attempt = 0; attempt < 3; attempt += 1) {
    await pod.waiting("ErrImagePull", "dial tcp: connection refused");
    await expectWaiting(here, "ImagePullFailed", ["dial tcp: connection refused"]);
    await pod.waiting("ImagePullBackOff", "Back-off pulling image");
    await eventually(async () => {
      const [engine] = (await here.pods())[0]?.status?.containerStatuses ?? [];
      return engine?.state?.waiting?.reason === "ImagePullBackOff";
    });
  }
  await expectWaiting(here, "ImagePullFailed", ["dial tcp: connection refused"]);
  await expectGoesOn(here, "web-01", pod);
  const told = (await here.events()).filter(({ reason }) => reason === "ImagePullFailed");
  expect(told).toHaveLength(1);
});

test("what only events tell: a volume that is not attached or mounted, a secret that is missing", async () => {
  const here = await world(admin);
  await claimsForMany(here);
  const cases: {
    name: string;
    happens: (pod: PlayedPod) => Promise<void>;
    reason: string;
    words: string[];
  }[] = [
    {
      name: "attach",
      happens: async (pod) =>
        pod.event(
          "Warning",
          "FailedAttachVolume",
          'Multi-Attach error for volume "pv-1" Volume is already used by pod(s) vm',
        ),
      reason: "VolumeNotAttached",
      words: ['Multi-Attach error for volume "pv-1"', here.kubelet.node, "end the pod there"],
    },
    {
      name: "mount",
      happens: async (pod) =>
        pod.event("Warning", "FailedMount", 'MountVolume.SetUp failed for volume "pv-1": exit 32'),
      reason: "VolumeNotMounted",
      words: ["MountVolume.SetUp failed", here.kubelet.node, "See whether the storage works"],
    },
    {
      name: "device",
      happens: async (pod) =>
        pod.event("Warning", "FailedMapVolume", 'MapVolume.MapPodDevice failed for volume "pv-1"'),
      reason: "VolumeNotMounted",
      words: ["MapVolume.MapPodDevice failed", here.kubelet.node],
    },
    {
      name: "secret",
      happens: async (pod) => {
        const says = "Unable to retrieve some image pull secrets (registry)";
        await pod.event("Warning", "FailedToRetrieveImagePullSecret", says);
        await pod.waiting("ErrImagePull", "401 Unauthorized");
      },
      reason: "PullSecretMissing",
      words: [
        "Unable to retrieve some image pull secrets (registry)",
        "Create the Secret, or name another in spec.job.imagePullSecrets",
      ],
    },
  ];
  await Promise.all(
    cases.map(async ({ name, happens, reason, words }) => {
      await here.imageDiff(name, { job: { imagePullSecrets: [{ name: "registry" }] } });
      const pod = await placed(here, name);
      await happens(pod);
      await expectWaiting(here, reason, [pod.name, ...words], { name });
      await expectGoesOn(here, name, pod);
    }),
  );
});

function pathOf({ namespace, name }: PlayedPod): string {
  return `/api/v1/namespaces/${namespace}/pods/${name}`;
}

test("a pod that the node itself refuses counts as a failure, and is tried again", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff();
  const pod = await placed(here);
  // Such a pod never had a container.
  const message = "Pod was rejected: Node didn't have enough resource: pods, requested: 1";
  const status = { phase: "Failed", reason: "OutOfpods", message };
  await admin.patch(pathOf(pod), { status }, { subresource: "status" });
  await expectWaiting(here, "PodRefused", [
    `Node ${here.kubelet.node} did not start pod ${pod.name} (OutOfpods)`,
    "Node didn't have enough resource",
  ]);
  const { lastFailure } = await expectGoesOn(here);
  expect(lastFailure).toMatchObject({ reason: "PodRefused" });
});
