/** What a scheduler says about a pod that it cannot place. Placing one is `Kubelet.run`. */
import type { Event, Pod } from "kubernetes-types/core/v1.d.ts";
import type { Client } from "./client.ts";

/** No node fits: the condition and the event, as the scheduler leaves them. */
export async function unschedulable(admin: Client, pod: Pod, message: string): Promise<void> {
  const { name = "", namespace = "", uid = "" } = pod.metadata ?? {};
  const lastTransitionTime = `${new Date().toISOString().slice(0, 19)}Z`;
  const why = { type: "PodScheduled", status: "False", reason: "Unschedulable", message };
  await admin.patch(
    `/api/v1/namespaces/${namespace}/pods/${name}`,
    { metadata: { uid }, status: { conditions: [{ ...why, lastTransitionTime }] } },
    { subresource: "status", type: "strategic" },
  );
  await admin.create<Event>({
    apiVersion: "v1",
    kind: "Event",
    metadata: { generateName: `${name}.`, namespace },
    involvedObject: { apiVersion: "v1", kind: "Pod", namespace, name, uid },
    type: "Warning",
    reason: "FailedScheduling",
    message,
    count: 1,
    firstTimestamp: lastTransitionTime,
    lastTimestamp: lastTransitionTime,
    source: { component: "default-scheduler" },
  });
}
