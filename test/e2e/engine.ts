/** The engine as a user starts it, in a pod of their own. */
import { expect } from "vitest";
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { ContainerStateTerminated, Pod } from "kubernetes-types/core/v1.d.ts";
import { podOf } from "../cluster/jobs.ts";
import { eventually } from "../cluster/eventually.ts";
import { endOf, restrictedJob, type PodOptions } from "../node/pods.ts";
import { engineImage } from "./product.ts";
import { patience, type Scene } from "./scene.ts";

/**
 * Runs a subcommand with claims mounted side by side below /volumes, and expects that it succeeds.
 * @returns the last line that it prints, as JSON.
 */
export async function runEngine(
  here: Scene,
  name: string,
  args: readonly string[],
  claims: PodOptions["claims"] & {},
): Promise<Record<string, unknown>> {
  const job = restrictedJob(here.space, name, { script: "", claims });
  const [container] = job.spec?.template.spec?.containers ?? [];
  if (container === undefined) throw new Error("a Job has a container");
  const { command: _, ...rest } = container;
  const tmp = { name: "tmp", mountPath: "/tmp" };
  job.spec?.template.spec?.containers.splice(0, 1, {
    ...rest,
    image: engineImage,
    imagePullPolicy: "IfNotPresent",
    args: [...args, "--json"],
    resources: { requests: { cpu: "50m" }, limits: { memory: "512Mi" } },
    volumeMounts: [...(rest.volumeMounts ?? []), tmp],
  });
  job.spec?.template.spec?.volumes?.push({ name: "tmp", emptyDir: {} });
  const log = await runJob(here, job);
  return JSON.parse(log.trimEnd().split("\n").at(-1) ?? "") as Record<string, unknown>;
}

/** Runs a Job whose pod must succeed; what that has said. */
export async function runJob(here: Scene, job: Job): Promise<string> {
  const pod = await finished(here, await here.admin.create(job));
  const path = `/api/v1/namespaces/${here.space}/pods/${pod.metadata?.name}/log`;
  const log = await here.admin.text(path);
  expect({ ...endOf(pod), log }).toMatchObject({ exitCode: 0 });
  return log;
}

/** The first pod of a Job once it has ended. */
async function finished({ admin }: Scene, job: Job): Promise<Pod> {
  const { metadata } = await podOf(admin, job);
  const path = `/api/v1/namespaces/${metadata?.namespace}/pods/${metadata?.name}`;
  let ended: ContainerStateTerminated | undefined;
  return eventually(async () => {
    const pod = await admin.get<Pod>(path);
    ended = endOf(pod);
    if (ended === undefined) throw new Error(`its pod is ${JSON.stringify(pod.status)}`);
    return pod;
  }, patience);
}
