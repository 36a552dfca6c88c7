/** The events that tell why a Job has no pod, or why a pod does not start. */
import type { Client } from "../../kube/client.ts";
import type { Happening, Observation } from "../plan/observation.ts";
import { Events } from "../resources.ts";

/** Warnings about the unfinished Jobs of a resource and about their pods, the newest first. */
export async function happeningsOf(
  client: Client,
  { jobs, pods }: Observation,
): Promise<Happening[]> {
  const subjects = [
    ...jobs.map(({ metadata }) => ({ kind: "Job" as const, metadata })),
    ...pods.map(({ metadata }) => ({ kind: "Pod" as const, metadata })),
  ];
  const found = await Promise.all(
    subjects.map(async ({ kind, metadata }) => {
      const { items } = await client.list(Events, {
        namespace: metadata?.namespace,
        fieldSelector: `involvedObject.uid=${metadata?.uid},type=Warning`,
      });
      return items.map(({ reason, message, series, lastTimestamp, eventTime, metadata: own }) => ({
        kind,
        reason: reason ?? "",
        message: message ?? "",
        lastSeen:
          series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? own.creationTimestamp ?? "",
      }));
    }),
  );
  return found.flat().toSorted((a, b) => b.lastSeen.localeCompare(a.lastSeen));
}
