/** The controller is killed before and after each of its writes: nothing is done twice or lost. */
import { expect, test } from "vitest";
import type { ImageDiffStatus } from "../../../src/api/status.ts";
import { AuditTrail } from "../audit.ts";
import { adminClient, cluster } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import type { Kubelet } from "../kubelet.ts";
import { credentials, kubeconfigOf } from "./account.ts";
import { Killer, type Moment } from "./killer.ts";
import { LeaseOnServer } from "./leases.ts";
import { PATIENCE, passingLife, retriedLife, suspendedLife, type Life } from "./lives.ts";
import { startProcess, type StartOptions } from "./process.ts";
import { startProxy } from "./proxy.ts";
import { node, stage } from "./stage.ts";

const admin = adminClient();

/** Lives at the same time: most of each is waiting. */
const AT_ONCE = 12;

test.for([
  { name: "waits for a source, is tried again, and succeeds", life: retriedLife, atLeast: 11 },
  { name: "is suspended, goes on, and fails", life: suspendedLife, atLeast: 9 },
  { name: "is an Estimate with a time to live", life: passingLife, atLeast: 6 },
])("an ImageDiff that $name", { timeout: 300_000 }, async ({ life, atLeast }) => {
  const kubelet = await node();
  const trail = new AuditTrail(cluster());
  const undisturbed = await live(life, kubelet);
  expect(undisturbed.writes.length).toBeGreaterThanOrEqual(atLeast);
  const moments = undisturbed.writes.flatMap((write): Moment[] => [
    { write, side: "before" },
    { write, side: "after" },
  ]);
  // A killed leader's lease has to run out first: once for each kind of write.
  const led = new Set(moments.filter(({ write }) => /^(POST jobs|status Succ)/.test(write)));
  const cases = [
    ...moments.map((moment) => ({ moment, lease: false })),
    ...[...led].map((moment) => ({ moment, lease: true })),
  ];
  const outcomes = await inTurn(cases, async ({ moment, lease }) => {
    const what = `killed ${moment.side} ${moment.write}${lease ? ", with a lease" : ""}`;
    try {
      const { space, status } = await live(life, kubelet, moment, lease);
      return { what, status, jobs: jobsMade(trail, space) };
    } catch (why) {
      return { what, why: String(why) };
    }
  });
  const { status } = undisturbed;
  expect(outcomes).toEqual(outcomes.map(({ what }) => ({ what, status, jobs: 1 })));
  expect(jobsMade(trail, undisturbed.space)).toBe(1);
});

/** One life, in a namespace of its own; a controller that is killed gets a successor. */
async function live(life: Life, kubelet: Kubelet, moment?: Moment, lease = false) {
  const here = await stage(admin, kubelet, PATIENCE);
  const { space } = here;
  const proxy = await startProxy();
  const killer = new Killer(moment);
  proxy.rule = killer.rule;
  const options: StartOptions = {
    kubeconfig: kubeconfigOf(await credentials(admin), proxy.url),
    namespaces: [space],
    ...(lease ? { lease: new LeaseOnServer(admin, space).name } : {}),
  };
  killer.victim = await startProcess(options);
  const succession = killer.killed.then(async () => startProcess(options));
  const last = await life(here);
  // The last event may come a moment after the last status.
  if (moment !== undefined) await within(60_000, succession);
  return { space, writes: killer.writes, status: timeless(last) };
}

/** @throws Error where it takes longer. */
async function within<T>(milliseconds: number, task: Promise<T>): Promise<T> {
  let done = false;
  const marked = task.finally(() => (done = true));
  await eventually(() => done, { timeoutMs: milliseconds });
  return marked;
}

/** The status without what differs from one life to another. */
function timeless(status: ImageDiffStatus): unknown {
  const text = JSON.stringify(status)
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>")
    .replaceAll(/imagediff-[0-9a-f]{16}/g, "<job>");
  return JSON.parse(text);
}

/** Jobs that were ever made in a namespace. */
function jobsMade(trail: AuditTrail, space: string): number {
  return trail
    .records()
    .filter(
      ({ verb, objectRef, responseStatus }) =>
        verb === "create" &&
        objectRef?.resource === "jobs" &&
        objectRef.namespace === space &&
        responseStatus?.code === 201,
    ).length;
}

/** The results of many tasks, of which some are under way at a time. */
async function inTurn<T, R>(tasks: readonly T[], run: (task: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = [...tasks.entries()];
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [index, task] = next;
      results[index] = await run(task);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return results;
}
