/**
 * `npm run bench:operator`: 1,000 ImageDiffs at once, reconciled by the controller as images carry
 * it against a real API server, with pods that a stand-in for the node plays. Writes its table to
 * docs/performance.md.
 *
 *   npm run bench:operator -- [--count N] [--max-jobs N] [--no-write]
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { ImageDiffStatus } from "../src/api/status.ts";
import { accountName, AuditTrail, type AuditRecord } from "../test/cluster/audit.ts";
import { adminOf, kubeconfigFor, startControlPlane } from "../test/cluster/control-plane.ts";
import { shippedPermissions } from "../test/cluster/manifests.ts";
import { eventually } from "../test/cluster/eventually.ts";
import { startKubelet } from "../test/cluster/kubelet.ts";
import { progressLine, result, succeeds } from "../test/cluster/operator/engine.ts";
import { machine, table, writeMeasurements } from "./document.ts";
import { runOnce } from "./measure.ts";
import { makeWorld, NAMESPACE } from "./operator-world.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "1000" },
    "max-jobs": { type: "string", default: "50" },
    "no-write": { type: "boolean", default: false },
  },
});
const count = Number(values.count);
const IDLE_SECONDS = 60;
const MIB = 2 ** 20;
const ACCOUNT = { namespace: "imagediff-system", name: "imagediff-controller" };

const path = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url));
const say = (text: string): void => void process.stderr.write(`${text}\n`);

runOnce([process.execPath, path("scripts/build.ts")]);
const folder = mkdtempSync(join(tmpdir(), "imagediff-bench-"));
const plane = await startControlPlane(folder, {
  manifests: [path("crds"), ...shippedPermissions()],
});
const admin = adminOf(plane);
const kubelet = await startKubelet(plane);
const controller = await startController();
try {
  const makeImageDiffs = await makeWorld(admin, count, say);
  const player = kubelet.play({ namespace: NAMESPACE }, async (pod) => {
    pod.log().append(progressLine(50));
    const name = pod.object.metadata?.labels?.["imagediff.io/name"];
    await succeeds(pod, result(`/volumes/thin/${name}.qcow2`));
  });
  await player.ready;
  const audit = new AuditTrail(plane);
  const start = performance.now();
  await makeImageDiffs();
  const made = (performance.now() - start) / 1000;
  await eventually(allSucceeded, { timeoutMs: 3_600_000, intervalMs: 1000 });
  const seconds = (performance.now() - start) / 1000;
  // Events are sent behind the statuses.
  await eventually(async () => countWrites(audit) === (await settled(audit)), {
    timeoutMs: 60_000,
  });
  const writes = countWrites(audit);
  const peak = peakMemoryBytes();
  say(`all succeeded after ${seconds.toFixed(1)} s; now an idle minute`);
  const idle = new AuditTrail(plane);
  // What is measured is that nothing happens in that time.
  await sleep(IDLE_SECONDS * 1000);
  report({ seconds, made, writes, peak, idleWrites: countWrites(idle), audit });
  await player.stop();
} finally {
  controller.kill("SIGTERM");
  await new Promise((resolve) => controller.once("exit", resolve));
  await kubelet.stop();
  await admin.close();
  await plane.stop();
  rmSync(folder, { recursive: true });
}

async function startController() {
  const { status } = await eventually(async () =>
    admin.post<{ status: { token: string } }>(
      `/api/v1/namespaces/${ACCOUNT.namespace}/serviceaccounts/${ACCOUNT.name}/token`,
      { spec: {} },
    ),
  );
  const args = [
    // As the image's entry point has it: a controller has time to collect garbage.
    "--max-semi-space-size=2",
    "--max-old-space-size=96",
    path("dist/imagediff.mjs"),
    "controller",
    ...["--kubeconfig", kubeconfigFor(plane, status.token)],
    ...["--engine-image", "example.com/imagediff-engine:bench"],
    ...["--lease-namespace", ACCOUNT.namespace, "--listen", "127.0.0.1:0"],
    ...["--max-jobs", values["max-jobs"], "--log-level", "warn"],
  ];
  return spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
}

async function allSucceeded(): Promise<boolean> {
  const all = await admin.list<{ status?: ImageDiffStatus }>(
    `/apis/imagediff.io/v1alpha1/namespaces/${NAMESPACE}/imagediffs`,
    { resourceVersion: "0" },
  );
  const counts = new Map<string, number>();
  for (const { status } of all) {
    const phase = status?.phase ?? "none";
    counts.set(phase, (counts.get(phase) ?? 0) + 1);
  }
  say([...counts].map(([phase, number]) => `${phase} ${number}`).join(", "));
  return counts.get("Succeeded") === count;
}

function writesOf(audit: AuditTrail): AuditRecord[] {
  const reading = new Set(["get", "list", "watch"]);
  // The lease is renewed every two seconds, whatever there is to do.
  return audit
    .records(accountName(ACCOUNT.namespace, ACCOUNT.name))
    .filter(({ verb, objectRef }) => !reading.has(verb) && objectRef?.resource !== "leases");
}

function countWrites(audit: AuditTrail): number {
  return writesOf(audit).length;
}

/** How many writes there are a second later. */
async function settled(audit: AuditTrail): Promise<number> {
  await sleep(1000);
  return countWrites(audit);
}

/** Most memory that the controller's process held at once (VmHWM, proc(5)). */
function peakMemoryBytes(): number {
  const status = readFileSync(`/proc/${controller.pid}/status`, "utf8");
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

function report(figures: {
  seconds: number;
  made: number;
  writes: number;
  peak: number;
  idleWrites: number;
  audit: AuditTrail;
}): void {
  const { seconds, made, writes, peak, idleWrites, audit } = figures;
  const kinds = new Map<string, number>();
  for (const { verb, objectRef } of writesOf(audit)) {
    const what = [objectRef?.resource, objectRef?.subresource].filter(Boolean).join("/");
    kinds.set(`${verb} ${what}`, (kinds.get(`${verb} ${what}`) ?? 0) + 1);
  }
  const byKind = [...kinds].map(([kind, number]) => `${number} ${kind}`).join(", ");
  const rows = [
    {
      name: `${count} ImageDiffs at once, ${values["max-jobs"]} Jobs at a time: wall time`,
      measured: `${seconds.toFixed(1)} s`,
      aim: "none",
      met: true,
      figures: `${made.toFixed(1)} s of it to make them`,
    },
    {
      name: "API writes for each",
      measured: (writes / count).toFixed(2),
      aim: "at most 8",
      met: writes / count <= 8,
      figures: byKind,
    },
    {
      name: "peak memory of the controller",
      measured: `${Math.round(peak / MIB)} MiB`,
      aim: "under 180 MiB",
      met: peak < 180 * MIB,
      figures: `${peak} bytes`,
    },
    {
      name: `API writes in ${IDLE_SECONDS} idle seconds, but for the lease`,
      measured: String(idleWrites),
      aim: "0",
      met: idleWrites === 0,
      figures: "",
    },
  ];
  const document = `${table(rows)}\n${machine()}; Node ${process.version}.\n`;
  process.stdout.write(document);
  if (!values["no-write"]) writeMeasurements("npm run bench:operator", document);
}
