/** Connections that are silent, break or are refused: the controller catches up by itself. */
import { expect, test } from "vitest";
import { adminClient } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import { credentials, kubeconfigOf } from "./account.ts";
import { startReady, type ControllerProcess } from "./process.ts";
import { pass, refusal, startProxy, type Answer } from "./proxy.ts";
import { stage } from "./stage.ts";
import { startWire } from "./wire.ts";
import type { World } from "./world.ts";

const admin = adminClient();

/** Pauses between attempts double up to 15 seconds, give or take half of it. */
const PATIENCE = { timeoutMs: 60_000 };

const LOST = "Objects are not followed for a moment";

test("a line that swallows all bytes is noticed within a minute, and nothing is missed", async () => {
  const here = await stage(admin, undefined, PATIENCE);
  const wire = await startWire();
  const controller = await start(here, wire.url);
  await waits(here, "web-01");

  wire.swallow();
  const since = performance.now();
  const seconds = (): number => (performance.now() - since) / 1000;
  await here.imageDiff("web-02", NO_CLAIM);
  await eventually(
    () => controller.said(LOST).filter(({ kind }) => kind === "ImageDiff").length > 0,
    { timeoutMs: 90_000 },
  );
  expect(seconds()).toBeLessThan(60);
  await eventually(async () => (await here.get("web-02")).status?.phase === "Waiting", {
    timeoutMs: 90_000,
  });
  expect(seconds()).toBeLessThan(90);
  await waits(here, "web-03");
});

test("connections that break cost nothing but new ones", async () => {
  const here = await stage(admin, undefined, PATIENCE);
  const wire = await startWire();
  const controller = await start(here, wire.url);
  for (const name of ["web-01", "web-02", "web-03"]) {
    wire.reset();
    await waits(here, name);
  }
  // Each watch goes on from where it was: there is nothing to list again.
  expect((await controller.metrics()).value("imagediff_relists_total")).toBe(6);
  expect(controller.said(LOST).length).toBeGreaterThanOrEqual(3);
});

test.for([
  { status: 500, reason: "InternalError", asked: 0 },
  { status: 503, reason: "ServiceUnavailable", asked: 2 },
  { status: 429, reason: "TooManyRequests", asked: 4 },
])("an API server that answers $status for a while", async ({ status, reason, asked }) => {
  const here = await stage(admin, undefined, PATIENCE);
  const proxy = await startProxy();
  const controller = await start(here, proxy.url);
  await waits(here, "web-01");

  /** When each thing was asked for. */
  const times = new Map<string, number[]>();
  const headers: Record<string, string> = asked === 0 ? {} : { "retry-after": String(asked) };
  proxy.rule = async ({ path, write }) => {
    if (!write) times.set(path, [...(times.get(path) ?? []), performance.now()]);
    return refusal(status, reason, headers);
  };
  proxy.reset();
  await here.imageDiff("web-02", NO_CLAIM);
  // Every watch has been refused twice at least.
  await eventually(
    () => times.size >= 6 && [...times.values()].every((each) => each.length > 1),
    PATIENCE,
  );
  for (const moments of times.values()) {
    const pauses = moments.slice(1).map((moment, index) => moment - (moments[index] ?? 0));
    // Doubled each time from half a second, give or take half of it.
    expect(Math.min(...pauses)).toBeGreaterThan(Math.max(250, asked * 1000) - 10);
  }
  proxy.rule = pass;
  await here.ready("ClaimMissing", "web-02");
  await waits(here, "web-03");
  expect((await controller.metrics()).value("imagediff_relists_total")).toBe(6);
});

test("a write that is refused for a while is tried again", async () => {
  const here = await stage(admin, undefined, PATIENCE);
  const proxy = await startProxy();
  const controller = await start(here, proxy.url);
  let refused = 0;
  proxy.rule = async ({ method, path }, forward) => {
    if (method !== "PUT" || !path.endsWith("/status") || refused >= 4) return forward();
    refused += 1;
    return refusal(503, "ServiceUnavailable");
  };
  await waits(here, "web-01");
  const lines = controller.said("will try again");
  const { uid } = (await here.get()).metadata;
  expect(lines).toHaveLength(4);
  for (const line of lines) {
    expect(line).toMatchObject({ level: 40, namespace: here.space, name: "web-01", uid });
  }
  const metrics = await controller.metrics();
  expect(metrics.value("imagediff_reconciles_total", { result: "error" })).toBe(4);
});

test.for([
  { how: "by an event", answer: gone() },
  { how: "at once", answer: refusal(410, "Expired") },
])("a watch whose past is forgotten, told $how: a new list", async ({ answer }) => {
  const here = await stage(admin, undefined, PATIENCE);
  const proxy = await startProxy();
  const controller = await start(here, proxy.url);
  await waits(here, "web-01");

  const asked = Promise.withResolvers<void>();
  const changed = Promise.withResolvers<void>();
  proxy.rule = async ({ path, watch }, forward) => {
    if (!watch || !path.endsWith("/imagediffs")) return forward();
    asked.resolve();
    await changed.promise;
    proxy.rule = pass;
    return answer;
  };
  proxy.reset();
  await asked.promise;
  await here.imageDiff("web-02", NO_CLAIM);
  changed.resolve();
  await here.ready("ClaimMissing", "web-02");
  const metrics = await controller.metrics();
  expect(metrics.value("imagediff_relists_total", { kind: "ImageDiff" })).toBe(2);
  expect(metrics.value("imagediff_relists_total")).toBe(7);
  await waits(here, "web-03");
});

const NO_CLAIM = { base: { claimName: "missing" } };

/** A controller of one namespace, behind what stands before the API server. */
async function start({ space }: World, server: string): Promise<ControllerProcess> {
  const kubeconfig = kubeconfigOf(await credentials(admin), server);
  return startReady({ kubeconfig, namespaces: [space] });
}

/** Makes an ImageDiff, and waits until the controller has seen that it has to wait. */
async function waits(here: World, name: string): Promise<void> {
  await here.imageDiff(name, NO_CLAIM);
  await here.ready("ClaimMissing", name);
}

/** How a watch is told that what it asks for is too old. */
function gone(): Answer {
  const object = { kind: "Status", status: "Failure", code: 410, reason: "Expired" };
  return { status: 200, body: `${JSON.stringify({ type: "ERROR", object })}\n` };
}
