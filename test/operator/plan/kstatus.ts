/** Whether an object's conditions are what tools understand that wait for it (kstatus). */
import { expect } from "vitest";
import { ImageDiffStatus } from "../../../src/api/status.ts";

export type Verdict = "InProgress" | "Failed" | "Current" | "Terminating";

interface Conditioned {
  metadata?: { generation?: number | undefined; deletionTimestamp?: string | undefined };
  status?: ImageDiffStatus;
}

/**
 * What kstatus makes of an object of a kind that it does not know: its rules for any resource
 * (checkGenericProperties and checkReadyCondition in cli-utils' pkg/kstatus/status).
 */
export function kstatusOf({ metadata, status = {} }: Conditioned): Verdict {
  if (metadata?.deletionTimestamp !== undefined) return "Terminating";
  const { observedGeneration, conditions = [] } = status;
  if (observedGeneration !== undefined && observedGeneration !== metadata?.generation) {
    return "InProgress";
  }
  for (const { type, status: value } of conditions) {
    if (type === "Reconciling" && value === "True") return "InProgress";
    if (type === "Stalled" && value === "True") return "Failed";
  }
  const ready = conditions.find(({ type }) => type === "Ready");
  return ready === undefined || ready.status === "True" ? "Current" : "InProgress";
}

/**
 * Expects a status that the operator has written: valid by the schema, about the present
 * generation, with conditions that do not contradict each other or the phase.
 */
export function expectKstatus(object: Conditioned): Verdict {
  const { metadata, status = {} } = object;
  expect(ImageDiffStatus.parse(status), "the schema leaves nothing out").toEqual(status);
  const conditions = status.conditions ?? [];
  const types = conditions.map(({ type }) => type);
  expect(new Set(types).size, `each once: ${types.join(" ")}`).toBe(types.length);
  const statusOf = (type: string) => conditions.find((each) => each.type === type)?.status;
  expect(statusOf("Ready"), "there is always a Ready condition").toBeDefined();
  expect([undefined, "True"]).toContain(statusOf("Reconciling"));
  expect([undefined, "True"]).toContain(statusOf("Stalled"));
  const marks = ["Reconciling", "Stalled"].filter((type) => statusOf(type) === "True");
  if (statusOf("Ready") === "True") marks.push("Ready");
  // Suspended rests: it is none of the three.
  expect(marks, "at most one of them").toHaveLength(marks.length === 0 ? 0 : 1);
  if (marks.length === 0) expect(status.phase).toBe("Suspended");
  for (const condition of conditions) {
    expect(condition).toMatchObject({
      reason: expect.stringMatching(/^[A-Z][A-Za-z]+$/),
      message: expect.stringMatching(/./),
      observedGeneration: metadata?.generation,
    });
  }
  expect(status.observedGeneration).toBe(metadata?.generation);
  const ready = conditions.find(({ type }) => type === "Ready");
  const others = conditions.filter(({ type }) => type === "Reconciling" || type === "Stalled");
  for (const { reason, message } of others) {
    expect({ reason, message }).toEqual({ reason: ready?.reason, message: ready?.message });
  }
  if (metadata?.deletionTimestamp === undefined) expectPhase(status, statusOf);
  return kstatusOf(object);
}

/** Phases of an engine that nothing is in the way of. */
const underWay = new Set([
  "Pending",
  "Starting",
  "Comparing",
  "Converting",
  "Verifying",
  "Succeeded",
]);

/** What people read says the same as what machines read. */
function expectPhase(
  { phase, completionTime }: ImageDiffStatus,
  statusOf: (type: string) => string | undefined,
): void {
  expect(phase === "Succeeded").toBe(statusOf("Ready") === "True");
  expect(phase === "Failed").toBe(statusOf("Stalled") === "True");
  if (phase === "Succeeded") expect(completionTime).toBeDefined();
  if (phase !== undefined && underWay.has(phase)) {
    expect(statusOf("SourcesIdle")).not.toBe("False");
    expect(statusOf("Schedulable")).not.toBe("False");
  }
  if (statusOf("Reconciling") === "True") expect(completionTime).toBeUndefined();
}
