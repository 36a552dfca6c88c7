/** Argo CD's health of an ImageDiff, for each state that the planner brings about. */
import { expect, test } from "vitest";
import { parse } from "yaml";
import { projectFile } from "../../scripts/docs.ts";
import { Phase, type ImageDiffStatus } from "../../src/api/status.ts";
import type { Observation } from "../../src/operator/plan/observation.ts";
import { plan } from "../../src/operator/plan/plan.ts";
import { textOf } from "../docs/texts.ts";
import { endedEngine, jobFor, observed, podOf, runningEngine } from "../operator/plan/builders.ts";
import { kstatusOf } from "../operator/plan/kstatus.ts";
import { comparing, mismatch, result } from "../operator/plan/lines.ts";
import { must } from "../support/command.ts";

const script = "examples/gitops/argocd/health.lua";

/** Argo CD's Lua is 5.1 too; a script has the object there, and as good as no libraries. */
async function healthOf(object: object): Promise<{ status: string; message: string }> {
  const harness = [
    `local check = assert(loadfile(${literal(projectFile(script))}))`,
    `setfenv(check, { obj = ${literal(object)}, ipairs = ipairs })`,
    "local health = check()",
    'io.write(health.status, "\\n", health.message)',
  ].join("\n");
  const [status = "", message = ""] = (await must("lua5.1", ["-e", harness])).split("\n", 2);
  return { status, message };
}

/** A value of JSON as Lua writes it. */
function literal(value: unknown): string {
  if (typeof value === "string") return `"${value.replaceAll(/["\\\n]/g, "\\$&")}"`;
  if (Array.isArray(value)) return `{${value.map(literal).join(", ")}}`;
  if (typeof value !== "object" || value === null) return String(value);
  const fields = Object.entries(value).map(([name, field]) => `["${name}"] = ${literal(field)}`);
  return `{${fields.join(", ")}}`;
}

const job = jobFor();
const atWork = podOf(job, { engine: runningEngine, status: { phase: "Running" } });
const ended = (exitCode: number, report: unknown) =>
  podOf(job, { engine: endedEngine(exitCode, report), status: { phase: "Failed" } });
const said = (phase: string): string => `${JSON.stringify({ ...comparing, phase })}\n`;

/** What the planner sees in each phase. */
const observations: Record<Phase, Observation> = {
  Pending: observed({ jobs: [job] }),
  Suspended: observed({ fields: { "spec.suspend": true } }),
  Waiting: observed({ claims: new Map() }),
  Starting: observed({ jobs: [job], pods: [atWork] }),
  Comparing: observed({ jobs: [job], pods: [atWork], log: said("Comparing") }),
  Converting: observed({ jobs: [job], pods: [atWork], log: said("Converting") }),
  Verifying: observed({ jobs: [job], pods: [atWork], log: said("Verifying") }),
  Succeeded: observed({ jobs: [job], pods: [ended(0, result)] }),
  Failed: observed({
    jobs: [{ ...job, status: { conditions: [{ type: "Failed", status: "True" }] } }],
    pods: [ended(3, mismatch)],
  }),
};

const expected: Record<Phase, string> = {
  Pending: "Progressing",
  Suspended: "Suspended",
  Waiting: "Progressing",
  Starting: "Progressing",
  Comparing: "Progressing",
  Converting: "Progressing",
  Verifying: "Progressing",
  Succeeded: "Healthy",
  Failed: "Degraded",
};

/** What others make of it who follow the convention, such as Flux. */
const byConvention: Record<string, string> = {
  Progressing: "InProgress",
  Suspended: "InProgress",
  Healthy: "Current",
  Degraded: "Failed",
};

test.each(Phase.options)("an ImageDiff in the phase %s", async (phase) => {
  const observation = observations[phase];
  const { status } = plan(observation);
  expect(status.phase).toBe(phase);
  const object = { ...observation.resource, status };
  const health = await healthOf(object);
  expect(health).toEqual({ status: expected[phase], message: readyMessage(status) });
  expect(kstatusOf(object)).toBe(byConvention[health.status]);
});

function readyMessage({ conditions = [] }: ImageDiffStatus): string | undefined {
  return conditions.find(({ type }) => type === "Ready")?.message;
}

test("one that the controller has not seen yet", async () => {
  const { resource } = observed();
  expect(await healthOf(resource)).toMatchObject({ status: "Progressing" });
  expect(await healthOf({ ...resource, status: {} })).toMatchObject({ status: "Progressing" });
});

test("one that was finished, and has been edited since", async () => {
  const { resource } = observed();
  const { status } = plan(observations.Succeeded);
  const edited = { ...resource, metadata: { ...resource.metadata, generation: 2 }, status };
  expect(await healthOf(edited)).toMatchObject({ status: "Progressing" });
});

test("one whose status says that nothing went on", async () => {
  // A message may have what means something to Lua.
  const { resource } = observed();
  const condition = { type: "Ready", status: "False", message: 'a "quoted" \\ word' };
  const status = { observedGeneration: 1, phase: "Waiting", conditions: [condition] };
  expect(await healthOf({ ...resource, status })).toEqual({
    status: "Progressing",
    message: condition.message,
  });
});

test("Argo CD's settings have the very script", () => {
  const settings = parse(textOf("examples/gitops/argocd/argocd-cm.yaml")) as {
    data: Record<string, string>;
  };
  const prefix = "resource.customizations.health.";
  expect(settings.data[`${prefix}imagediff.io_ImageDiff`]).toBe(textOf(script));
  expect(Object.keys(settings.data)).toEqual([
    `${prefix}imagediff.io_ImageDiff`,
    `${prefix}argoproj.io_Application`,
  ]);
});
