/** Small Jobs for tests of the cluster itself. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import type { Client } from "./client.ts";
import { eventually } from "./eventually.ts";

export function jobManifest(namespace: string, name: string, spec: Partial<Job["spec"]> = {}): Job {
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name, namespace },
    spec: {
      backoffLimit: 0,
      template: {
        spec: {
          restartPolicy: "Never",
          containers: [{ name: "main", image: "example.com/none" }],
        },
      },
      ...spec,
    },
  };
}

/** The first pod that the Job controller makes for a Job. */
export async function podOf(admin: Client, { metadata }: Job): Promise<Pod> {
  const labelSelector = `batch.kubernetes.io/job-name=${metadata?.name}`;
  const path = `/api/v1/namespaces/${metadata?.namespace}/pods`;
  return eventually(async () => (await admin.list<Pod>(path, { labelSelector }))[0]);
}

/** The Job once it has a condition, such as Complete or Failed. */
export async function jobWith(admin: Client, job: Job, condition: string): Promise<Job> {
  return eventually(async () => {
    const now = await admin.get<Job>(job);
    const holds = now.status?.conditions?.some((c) => c.type === condition && c.status === "True");
    return holds === true ? now : undefined;
  });
}
