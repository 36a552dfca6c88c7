/** How the engine ends, and what the status says of it. */
import { expect, test } from "vitest";
import { GROUP } from "../../../src/api/resource.ts";
import { ExitCode, reasons, type Reason } from "../../../src/report/reasons.ts";
import { adminClient } from "../cluster.ts";
import type { Ending } from "../pod.ts";
import { fails, progressLine, result, succeeds } from "./engine.ts";
import { claimsForMany, conditionOf, expectFailed, onlyJob, placed } from "./states.ts";
import { world } from "./world.ts";

const admin = adminClient();

test("each of the engine's reasons is the status' reason; what cannot be cured is not tried again", async () => {
  const here = await world(admin);
  await claimsForMany(here);
  const all = Object.entries(reasons) as [Reason, ExitCode][];
  // A stop from outside is told by what stopped it.
  const said = all.filter(([reason]) => reason !== "Interrupted");
  const byName = new Map(said.map(([reason]) => [reason.toLowerCase(), reason]));
  const player = here.kubelet.play({ namespace: here.space }, async (pod) => {
    const reason = byName.get(pod.object.metadata?.labels?.[`${GROUP}/name`] ?? "");
    if (reason !== undefined) await fails(pod, reason, `spec.base: ${reason} it is.`);
  });
  await player.ready;
  await Promise.all(
    said.map(async ([reason, exitCode]) => {
      const name = reason.toLowerCase();
      await here.imageDiff(name, exitCode === ExitCode.Retryable ? { backoffLimit: 0 } : {});
      const status = await expectFailed(here, reason, [`spec.base: ${reason} it is.`], {
        name,
        timeoutMs: 60_000,
      });
      expect(status.lastFailure).toMatchObject({ reason, exitCode });
      expect(status.attempts).toBe(1);
      const verified = reason === "VerificationFailed" ? "False" : undefined;
      expect(conditionOf(status, "Verified")?.status).toBe(verified);
    }),
  );
  await player.stop();
  expect(player.pods).toHaveLength(said.length);
  expect(await here.pods()).toHaveLength(said.length);
});

test("a size that differs ends the Job with its first pod", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff();
  const message = "spec.modified: root/disk.img has 2 GiB, and golden/disk.img 1 GiB.";
  await fails(await placed(here), "SizeMismatch", message);
  await expectFailed(here, "SizeMismatch", [message]);
  const { status } = await onlyJob(here);
  expect(status?.failed).toBe(1);
  expect(status?.conditions?.find(({ type }) => type === "Failed")?.reason).toBe(
    "PodFailurePolicy",
  );
});

const report = JSON.stringify({
  ...{ type: "failure", reason: "SizeMismatch", message: "x".repeat(5000), exitCode: 3 },
});

test.for<Ending & { what: string; reason: string; words: string[] }>([
  {
    what: "garbage instead of a report",
    ...{ exitCode: 3, message: "\u0007garbage {" },
    ...{ reason: "InternalError", words: ["ended with exit code 3 and did not say why", "log"] },
  },
  {
    what: "no report at all",
    ...{ exitCode: 1, message: "" },
    ...{ reason: "InternalError", words: ["ended with exit code 1 and did not say why"] },
  },
  {
    what: "a report that does not fit, of which the node keeps the end",
    ...{ exitCode: 3, message: report },
    ...{ reason: "InternalError", words: ["ended with exit code 3 and did not say why"] },
  },
  {
    what: "a report with a reason that there is not",
    ...{ exitCode: 2, message: report.replace("SizeMismatch", "Whatever") },
    ...{ reason: "InternalError", words: ["ended with exit code 2"] },
  },
  {
    what: "a success that ended like a failure",
    ...{ exitCode: 4, message: JSON.stringify(result()) },
    ...{ reason: "InternalError", words: ["ended with exit code 4"] },
  },
  {
    what: "more memory than it may have",
    ...{ exitCode: 137, reason: "OutOfMemory", words: ["256Mi", "resources.limits.memory"] },
  },
  {
    what: "a kill from outside",
    ...{ exitCode: 137, reason: "EngineKilled", words: ["exit code 137", "somebody deleted pod"] },
  },
  {
    what: "a command that cannot be started",
    ...{ exitCode: 128, message: "exec format error" },
    ...{ reason: "ContainerNotStarted", words: ["exec format error", "engine image"] },
  },
])("$what", async ({ exitCode, message = "", reason, words }) => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff("web-01", { backoffLimit: 0 });
  const pod = await placed(here);
  await pod.start();
  pod.log().append(`opening golden\n${progressLine(40)}something odd about golden\n`);
  const called = { OutOfMemory: "OOMKilled", ContainerNotStarted: "StartError" }[reason] ?? "Error";
  await pod.terminate({ exitCode, message, reason: called });
  const { lastFailure } = await expectFailed(here, reason, words);
  expect(lastFailure).toMatchObject({ reason, exitCode });
  expect(lastFailure?.logTail).toBe("opening golden\nsomething odd about golden");
});

test.for([
  {
    what: "a report that does not fit",
    message: JSON.stringify({ ...result(), readStrategyReason: "x".repeat(5000) }),
  },
  { what: "an estimate's report", message: JSON.stringify(result(null)) },
  { what: "a failure's report", message: report.slice(0, 4000) },
  { what: "no report", message: "" },
])("a success with $what: the overlay is there, and its figures are lost", async ({ message }) => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff();
  const pod = await placed(here);
  await pod.start();
  await pod.terminate({ exitCode: 0, message });
  const status = await here.ready("ResultLost");
  expect(status.phase).toBe("Succeeded");
  expect(conditionOf(status, "Ready")).toMatchObject({ status: "True" });
  expect(conditionOf(status, "Ready")?.message).toContain("The overlay is thin/web-01.qcow2");
  expect(conditionOf(status, "Verified")).toMatchObject({ status: "True" });
  expect(status.savings).toBeUndefined();
});

test("an estimate without its figures has failed", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff("web-01", { mode: "Estimate", output: {} });
  const pod = await placed(here);
  await pod.start();
  await pod.terminate({ exitCode: 0, message: "garbage" });
  await expectFailed(here, "ResultLost", ["The estimate was made", "Make another ImageDiff"]);
});

test.for([
  { verification: "Metadata", level: "metadata", verified: "True", reason: "MetadataConsistent" },
  { verification: "None", level: "none", verified: "Unknown", reason: "NotRequested" },
] as const)("verification $verification", async ({ verification, level, verified, reason }) => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff("web-01", { verification });
  await succeeds(await placed(here), { ...result(), verification: level });
  const status = await here.ready("OverlayReady");
  expect(conditionOf(status, "Verified")).toMatchObject({ status: verified, reason });
});
