import { afterAll, expect, onTestFinished, test } from "vitest";
import type { Event, Pod } from "kubernetes-types/core/v1.d.ts";
import { adminClient, cluster, namespace } from "./cluster.ts";
import { eventually } from "./eventually.ts";
import { jobManifest, jobWith, podOf } from "./jobs.ts";
import { startKubelet } from "./kubelet.ts";
import { succeeds } from "./player.ts";
import { PodIsOver } from "./pod.ts";
import { unschedulable } from "./scheduler.ts";

const admin = adminClient();
const kubelet = await startKubelet(cluster());
afterAll(async () => kubelet.stop());

test("the pod of a Job runs, its log can be read, and the Job completes", async () => {
  const space = await namespace(admin);
  const job = await admin.create(jobManifest(space, "works"));
  const pod = await kubelet.run(await podOf(admin, job));
  const logs = `/api/v1/namespaces/${space}/pods/${pod.name}/log`;

  await expect(admin.text(logs)).rejects.toThrow("waiting to start: ContainerCreating");
  await pod.start();
  pod.log().append("one\ntwo\nthree\n");
  expect(await admin.text(logs)).toBe("one\ntwo\nthree\n");
  expect(await admin.text(logs, { tailLines: 2 })).toBe("two\nthree\n");
  expect(await admin.text(logs, { tailLines: 2, limitBytes: 5 })).toBe("two\nt");
  expect(await admin.text(logs, { tailLines: 1, timestamps: true })).toMatch(/^\S+T\S+Z three\n$/);
  const following = admin.text(logs, { follow: true, tailLines: 1 });
  pod.log().append("four\n");
  await pod.terminate({ exitCode: 0, message: "said at the end" });

  expect(["three\nfour\n", "four\n"]).toContain(await following);
  const { status } = await jobWith(admin, job, "Complete");
  expect(status?.succeeded).toBe(1);
  const { status: ended } = await admin.get<Pod>(pod.object);
  expect(ended?.phase).toBe("Succeeded");
  expect(ended?.containerStatuses?.[0]?.state?.terminated).toMatchObject({
    exitCode: 0,
    reason: "Completed",
    message: "said at the end",
  });
});

test("a container that cannot start says why, and one that is killed too", async () => {
  const space = await namespace(admin);
  const job = await admin.create(jobManifest(space, "fails"));
  const pod = await kubelet.run(await podOf(admin, job));

  await pod.waiting("ErrImagePull", "no such image");
  const { status: waiting } = await admin.get<Pod>(pod.object);
  expect(waiting?.phase).toBe("Pending");
  expect(waiting?.containerStatuses?.[0]?.state).toEqual({
    waiting: { reason: "ErrImagePull", message: "no such image" },
  });
  await pod.event("Warning", "Failed", "no such image");

  await pod.start();
  await pod.terminate({ exitCode: 137, reason: "OOMKilled" });
  await jobWith(admin, job, "Failed");
  const { status: killed } = await admin.get<Pod>(pod.object);
  expect(killed?.containerStatuses?.[0]?.state?.running).toBeUndefined();
  expect(killed?.containerStatuses?.[0]?.state?.terminated?.reason).toBe("OOMKilled");
  await expect(pod.start()).rejects.toThrow(PodIsOver);
});

test("a termination message is no longer than a kubelet's, and falls back to the log", async () => {
  const space = await namespace(admin);
  const manifest = jobManifest(space, "talks", { completions: 2, parallelism: 2 });
  const main = manifest.spec?.template.spec?.containers[0];
  if (main !== undefined) main.terminationMessagePolicy = "FallbackToLogsOnError";
  await admin.create(manifest);
  const messages: Array<string | undefined> = [];
  const player = kubelet.play({ namespace: space }, async (pod) => {
    const message = player.pods.length === 1 ? "x".repeat(5000) : "";
    await pod.start();
    pod.log().append("the end of the log\n");
    await pod.terminate({ exitCode: 1, message });
    const { status } = await admin.get<Pod>(pod.object);
    messages.push(status?.containerStatuses?.[0]?.state?.terminated?.message);
  });
  await eventually(() => messages.length === 2);
  await player.stop();

  expect(new Set(messages)).toEqual(new Set(["the end of the log\n", "x".repeat(4096)]));
});

test("a pod that no node can take, and one that its node disturbs, say so", async () => {
  const space = await namespace(admin);
  const job = await admin.create(jobManifest(space, "disturbed"));
  const unplaced = await podOf(admin, job);
  await unschedulable(admin, unplaced, "0/1 nodes are available");
  const events = await admin.list<Event>(`/api/v1/namespaces/${space}/events`);
  expect(events.map(({ reason }) => reason)).toContain("FailedScheduling");

  const pod = await kubelet.run(unplaced);
  await pod.start();
  await pod.condition("DisruptionTarget", "TerminationByKubelet");
  await pod.fail("Evicted", "the node was low on memory");

  const { status } = await admin.get<Pod>(pod.object);
  expect(status).toMatchObject({ phase: "Failed", reason: "Evicted" });
  const conditions = status?.conditions ?? [];
  expect(conditions.find(({ type }) => type === "PodScheduled")?.status).toBe("True");
  expect(conditions.find(({ type }) => type === "DisruptionTarget")?.status).toBe("True");
});

test("the containers of a deleted pod end, and then it goes", async () => {
  const space = await namespace(admin);
  const pod = await kubelet.run(await podOf(admin, await admin.create(jobManifest(space, "long"))));
  await pod.start();
  pod.ignoresSigterm = true;

  await admin.delete(pod.object);
  await eventually(() => pod.deletion.aborted);
  expect((await admin.get<Pod>(pod.object)).status?.phase).toBe("Running");

  await pod.terminate({ exitCode: 143 });
  await eventually(async () => (await admin.find(pod.object)) === undefined);
});

test("the API evicts a pod, which the kubelet ends", async () => {
  const space = await namespace(admin);
  const job = await admin.create(jobManifest(space, "evicted"));
  const pod = await kubelet.run(await podOf(admin, job));
  await pod.start();

  await admin.post(`/api/v1/namespaces/${space}/pods/${pod.name}/eviction`, {
    apiVersion: "policy/v1",
    kind: "Eviction",
    metadata: { name: pod.name, namespace: space },
  });

  const { status } = await jobWith(admin, job, "Failed");
  expect(status?.failed).toBe(1);
});

test("a node that is lost answers no more, and its pods stay as they are", async () => {
  const lost = await startKubelet(cluster());
  onTestFinished(async () => lost.stop());
  const space = await namespace(admin);
  const pod = await lost.run(await podOf(admin, await admin.create(jobManifest(space, "lost"))));
  await pod.start();

  await lost.crash();
  await admin.delete(pod.object);

  expect((await admin.get<Pod>(pod.object)).status?.phase).toBe("Running");
  await expect(admin.text(`/api/v1/namespaces/${space}/pods/${pod.name}/log`)).rejects.toThrow(
    "connection refused",
  );
});

test("a script plays hundreds of pods", async () => {
  const space = await namespace(admin);
  const player = kubelet.play({ namespace: space }, succeeds);
  const many = { completions: 200, parallelism: 200 };
  const job = await admin.create(jobManifest(space, "many", many));

  const { status } = await jobWith(admin, job, "Complete");

  expect(status?.succeeded).toBe(200);
  expect(player.pods).toHaveLength(200);
  await player.stop();
});
