/** Whole lives of an ImageDiff, which go the same way whatever becomes of the controller. */
import { expect } from "vitest";
import type { ImageDiffStatus } from "../../../src/api/status.ts";
import type { Reason } from "../../../src/report/reasons.ts";
import { eventually } from "../eventually.ts";
import { progressLine, result } from "./engine.ts";
import type { World } from "./world.ts";

/** Many lives go on at the same time, and their controllers start anew. */
export const PATIENCE = { intervalMs: 200, timeoutMs: 120_000 };

/** Returns the last status. */
export type Life = (here: World) => Promise<ImageDiffStatus>;

/** A source is in use; then the engine runs, fails, is tried again, and succeeds. */
export const retriedLife: Life = async (here) => {
  await here.user("vm", "root");
  await here.imageDiff();
  await here.ready("SourcesInUse");
  await here.remove("pods", "vm");
  const first = await here.place();
  await here.ready("JobCreated");
  first.log().append(progressLine(10));
  await first.start();
  await here.ready("Comparing");
  first.log().append(progressLine(60));
  await progress(here, 60);
  await first.terminate({ exitCode: 1, message: said("NoSpace", 1) });
  const second = await here.place();
  await here.ready("NoSpace");
  second.log().append(progressLine(20));
  await second.start();
  await progress(here, 20);
  await second.terminate({ exitCode: 0, message: JSON.stringify(result()) });
  return here.ready("OverlayReady");
};

/** The work is suspended, goes on, and fails for good. */
export const suspendedLife: Life = async (here) => {
  await here.imageDiff();
  const first = await here.place();
  await here.ready("JobCreated");
  first.log().append(progressLine(10));
  await first.start();
  await here.ready("Comparing");
  await here.edit({ suspend: true });
  await here.ready("Suspended");
  await here.edit({ suspend: false });
  const second = await here.place();
  await here.ready("JobCreated");
  await second.start();
  await here.ready("Starting");
  await second.terminate({ exitCode: 3, message: said("SizeMismatch", 3) });
  return here.ready("SizeMismatch");
};

/** An Estimate, which goes by itself. */
export const passingLife: Life = async (here) => {
  await here.imageDiff("web-01", { mode: "Estimate", output: {}, ttlSecondsAfterFinished: 3 });
  const pod = await here.place();
  await here.ready("JobCreated");
  await pod.start();
  await here.ready("Starting");
  await pod.terminate({ exitCode: 0, message: JSON.stringify(result(null)) });
  const last = await here.ready("Estimated");
  await eventually(async () => {
    expect(await here.admin.find(here.path())).toBeUndefined();
    expect(await here.jobs()).toEqual([]);
    return true;
  }, PATIENCE);
  return last;
};

/** What the engine leaves behind when it fails. */
function said(reason: Reason, exitCode: number): string {
  return JSON.stringify({ type: "failure", reason, message: "no", exitCode });
}

async function progress(here: World, percent: number): Promise<void> {
  await eventually(async () => (await here.get()).status.progress?.percent === percent, {
    intervalMs: 200,
  });
}
