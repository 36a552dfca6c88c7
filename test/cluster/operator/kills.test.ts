/** The controller is killed before and after each of its writes: nothing is done twice or lost. */
import { expect, test } from "vitest";
import type { ImageDiffStatus } from "../../../src/api/status.ts";
import { AuditTrail } from "../audit.ts";
import { adminClient, cluster } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import type { Kubelet } from "../kubelet.ts";
import { credentials, kubeconfigOf } from "./account.ts";
import { always, Killer, once, spared, type Plot, type Side } from "./killer.ts";
import { LeaseOnServer } from "./leases.ts";
import { PATIENCE, passingLife, retriedLife, suspendedLife, type Life } from "./lives.ts";
import { startProcess, type StartOptions } from "./process.ts";
import { startProxy } from "./proxy.ts";
import { node, stage } from "./stage.ts";

const admin = adminClient();

/** Lives at the same time: most of each is waiting. */
const AT_ONCE = 8;

test("killed before and after any one of its writes", { timeout: 400_000 }, async () => {
  const kubelet = await node();
  const trail = new AuditTrail(cluster());
  const undisturbed = await live(retriedLife, kubelet, spared);
  expect(undisturbed.writes.length).toBeGreaterThanOrEqual(11);
  const sides: Side[] = ["before", "after"];
  const all = undisturbed.writes.flatMap((write) => sides.map((side) => ({ write, side })));
  const cases = [
    ...all.map((each) => ({ ...each, lease: false })),
    // The lease of a killed leader has to run out first.
    ...all
      .filter(({ write }) => /^(POST jobs|status Succeeded)/.test(write))
      .map((each) => ({ ...each, lease: true })),
  ];
  const outcomes = await inTurn(cases, async ({ write, side, lease }) => {
    const what = `${side} ${write}${lease ? ", with a lease" : ""}`;
    const { struck, status, space } = await live(
      retriedLife,
      kubelet,
      once(side, write),
      lease,
    ).catch((why: unknown) => ({ struck: [], status: String(why), space: "" }));
    return { what, kills: struck.length, status, space };
  });
  const { status } = undisturbed;
  const jobs = jobsMade(trail);
  expect(jobs[undisturbed.space]).toBe(1);
  expect(outcomes.map(({ space, ...each }) => ({ ...each, jobs: jobs[space] }))).toEqual(
    outcomes.map(({ what }) => ({ what, kills: 1, status, jobs: 1 })),
  );
});

test.for([
  {
    name: "is suspended, goes on, and fails",
    life: suspendedLife,
    decisive: [
      "POST jobs",
      'PATCH jobs {"suspend":true}',
      "status Suspended Suspended",
      'PATCH jobs {"suspend":false}',
      "status Failed SizeMismatch",
    ],
  },
  {
    name: "is an Estimate with a time to live",
    life: passingLife,
    decisive: ["POST jobs", "status Succeeded Estimated 100", "DELETE imagediffs"],
  },
])(
  "killed at each write of an ImageDiff that $name",
  { timeout: 300_000 },
  async ({ life, decisive }) => {
    const kubelet = await node();
    const trail = new AuditTrail(cluster());
    const [undisturbed, before, after] = await Promise.all([
      live(life, kubelet, spared),
      live(life, kubelet, always("before")),
      live(life, kubelet, always("after")),
    ]);
    const { status } = undisturbed;
    const jobs = jobsMade(trail);
    expect([undisturbed, before, after].map(({ space }) => jobs[space])).toEqual([1, 1, 1]);
    for (const each of [before, after]) {
      expect(each.status).toEqual(status);
      // Others may be skipped: by the time that there is a successor, things have gone on.
      expect(each.struck).toEqual(expect.arrayContaining(decisive));
    }
  },
);

/** One life, in a namespace of its own; a controller that is killed gets a successor. */
async function live(life: Life, kubelet: Kubelet, plot: Plot, lease = false) {
  const here = await stage(admin, kubelet, PATIENCE);
  const { space } = here;
  const proxy = await startProxy();
  const options: StartOptions = {
    kubeconfig: kubeconfigOf(await credentials(admin), proxy.url),
    namespaces: [space],
    ...(lease ? { lease: new LeaseOnServer(admin, space).name } : {}),
  };
  const killer = new Killer(plot, async () => startProcess(options));
  proxy.rule = killer.rule;
  await killer.begin();
  const last = await life(here);
  // The last event may come a moment after the last status.
  if (plot !== spared) await eventually(() => killer.struck.length > 0, PATIENCE);
  const { writes, struck } = killer;
  return { space, writes, struck, status: timeless(last) };
}

/** The status without what may differ from one life to another. */
function timeless({ conditions = [], ...status }: ImageDiffStatus): unknown {
  // That the images are idle goes without saying: whoever could have said it may have been killed.
  const told = conditions.filter(({ type, reason }) => type !== "SourcesIdle" || reason !== "Idle");
  const text = JSON.stringify({ ...status, conditions: told })
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>")
    .replaceAll(/imagediff-[0-9a-f]{16}/g, "<job>");
  return JSON.parse(text);
}

/** How many Jobs were ever made, by namespace. */
function jobsMade(trail: AuditTrail): Record<string, number> {
  const made = trail
    .records()
    .filter(
      ({ verb, objectRef, responseStatus }) =>
        verb === "create" && objectRef?.resource === "jobs" && responseStatus?.code === 201,
    );
  const spaces = Map.groupBy(made, ({ objectRef }) => objectRef?.namespace ?? "");
  return Object.fromEntries(Array.from(spaces, ([space, { length }]) => [space, length]));
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
