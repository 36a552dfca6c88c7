/** What the controller serves over HTTP and writes to its log. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { adminClient } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import { credentials, kubeconfigOf } from "./account.ts";
import { fails, progressLine, result, succeeds } from "./engine.ts";
import { startProcess, startReady } from "./process.ts";
import { stage } from "./stage.ts";
import { startWire } from "./wire.ts";

const admin = adminClient();

/** Pauses between attempts double up to 15 seconds, give or take half of it. */
const PATIENCE = { timeoutMs: 60_000 };

test("it lives before it is ready, and is ready once it knows the cluster", async () => {
  const { space } = await stage(admin);
  const wire = await startWire();
  wire.refuses = true;
  const kubeconfig = kubeconfigOf(await credentials(admin), wire.url);
  const controller = await startProcess({ kubeconfig, namespaces: [space] });
  // It goes on asking.
  await eventually(() => wire.connections >= 12, PATIENCE);
  expect(await controller.probe("/livez")).toBe(200);
  expect(await controller.probe("/readyz")).toBe(503);
  expect(await controller.probe("/metrics")).toBe(200);
  expect(await controller.probe("/")).toBe(404);
  const failed = await controller.metrics();
  expect(
    failed.value("imagediff_api_requests_total", { method: "GET", code: "0" }),
  ).toBeGreaterThan(6);

  wire.refuses = false;
  await eventually(async () => (await controller.probe("/readyz")) === 200, PATIENCE);
  expect(await controller.probe("/livez")).toBe(200);
});

test("the metrics are those of the documentation, and count what happens", async () => {
  const here = await stage(admin);
  const kubeconfig = kubeconfigOf(await credentials(admin));
  const controller = await startReady({ kubeconfig, namespaces: [here.space] });
  await here.imageDiff("good");
  await succeeds(await here.place(), result("/volumes/thin/good.qcow2"));
  await here.ready("OverlayReady", "good");
  await here.imageDiff("bad");
  await fails(await here.place(), "SizeMismatch");
  await here.ready("SizeMismatch", "bad");

  // Its own cache may hear of the last status a moment later.
  const metrics = await eventually(async () => {
    const now = await controller.metrics();
    const finished = ["Succeeded", "Failed"].map((phase) =>
      now.value("imagediff_imagediffs", { phase }),
    );
    return finished.every((count) => count === 1) ? now : undefined;
  });
  const found = [...metrics.types]
    .filter(([name]) => name.startsWith("imagediff_"))
    .map(([name, type]) => ({ name, type, labels: metrics.labelsOf(name) }));
  expect(found.toSorted(byName)).toEqual(documented().toSorted(byName));

  const value = metrics.value.bind(metrics);
  expect(value("imagediff_saved_bytes_total")).toBe(2 ** 29 - 2 ** 20);
  expect(value("imagediff_scanned_bytes_total")).toBe(2 ** 30);
  expect(value("imagediff_job_duration_seconds_count", { phase: "Succeeded" })).toBe(1);
  expect(value("imagediff_job_duration_seconds_count", { phase: "Failed" })).toBe(1);
  expect(value("imagediff_job_duration_seconds_count")).toBe(2);
  expect(value("imagediff_imagediffs")).toBe(2);
  expect(value("imagediff_leader")).toBe(1);
  expect(value("imagediff_queue_depth")).toBe(0);
  expect(value("imagediff_reconciles_total", { result: "success" })).toBeGreaterThan(4);
  expect(value("imagediff_reconciles_total", { result: "error" })).toBeUndefined();
  expect(value("imagediff_reconcile_duration_seconds_count")).toBe(
    value("imagediff_reconciles_total"),
  );
  // Two Jobs and at least two events.
  expect(value("imagediff_api_requests_total", { method: "POST", code: "201" })).toBeGreaterThan(3);
  expect(value("imagediff_api_requests_total", { method: "PUT", code: "200" })).toBeGreaterThan(3);
  const kinds = [
    "ImageDiff",
    "Job",
    "Pod",
    "PersistentVolumeClaim",
    "PersistentVolume",
    "StorageClass",
  ];
  const relists = kinds.map((kind) => value("imagediff_relists_total", { kind }));
  expect(relists).toEqual([1, 1, 1, 1, 1, 1]);
  expect(value("process_resident_memory_bytes")).toBeGreaterThan(0);
  expect(value("nodejs_eventloop_lag_seconds")).toBeGreaterThanOrEqual(0);
});

test("the log is JSON that names the ImageDiff, and holds no secret", async () => {
  const here = await stage(admin);
  const wire = await startWire();
  const who = await credentials(admin);
  const controller = await startReady({
    kubeconfig: kubeconfigOf(who, wire.url),
    namespaces: [here.space],
    flags: ["--log-level", "debug"],
  });
  const { metadata } = await here.imageDiff();
  const pod = await here.place();
  await pod.start();
  pod.log().append(progressLine(10));
  await here.ready("Comparing");
  wire.reset();
  await eventually(() => controller.lines.some(({ level }) => level === 40));
  await pod.terminate({ exitCode: 0, message: JSON.stringify(result()) });
  await here.ready("OverlayReady");
  const end = await controller.stop();
  expect(end).toMatchObject({ code: 0 });

  expect(controller.words, "nothing but JSON").toEqual([]);
  const about = controller.lines.filter(({ msg }) => ["acts", "status written"].includes(msg));
  expect(about.map(({ msg }) => msg)).toEqual(expect.arrayContaining(["acts", "status written"]));
  const { namespace, name, uid } = metadata;
  for (const line of about) expect(line).toMatchObject({ namespace, name, uid });
  for (const line of controller.lines) {
    expect(line).toMatchObject({ level: expect.any(Number), msg: expect.stringMatching(/./) });
    expect(Date.parse(line.time)).not.toBeNaN();
    const text = JSON.stringify(line);
    expect(text).not.toContain(who.token.split(".")[2]);
    expect(text).not.toMatch(/Bearer|BEGIN |certificate|authorization/i);
  }
});

/** The table of docs/operator.md. */
function documented(): Array<{ name: string; type: string; labels: string[] }> {
  const page = readFileSync(new URL("../../../docs/operator.md", import.meta.url), "utf8");
  return [...page.matchAll(/^\| `(imagediff_\w+)` *\| (\w+) *\| ([^|]*)\|/gm)].map(
    ([, name = "", type = "", labels = ""]) => ({
      name,
      type,
      labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label = ""]) => label).toSorted(),
    }),
  );
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}
