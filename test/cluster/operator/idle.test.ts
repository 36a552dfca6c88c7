/** Idle means idle: where nothing changes, nothing is written. */
import { expect, test } from "vitest";
import type { AuditRecord } from "../audit.ts";
import { AuditTrail } from "../audit.ts";
import { adminClient, cluster } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import { requestsOf, writesOf } from "./account.ts";
import { fails, progressLine, result, succeeds } from "./engine.ts";
import { leadsAfter, Replicas } from "./replicas.ts";
import { stage } from "./stage.ts";

const admin = adminClient();

test("for a minute with ImageDiffs in all kinds of states only the lease is written", async () => {
  const here = await stage(admin);
  const replica = await new Replicas(here).start("a");
  await leadsAfter(replica, performance.now());
  await here.imageDiff("finished");
  await succeeds(await here.place(), result("/volumes/thin/finished.qcow2"));
  await here.ready("OverlayReady", "finished");
  await here.imageDiff("failed");
  await fails(await here.place(), "SizeMismatch");
  await here.ready("SizeMismatch", "failed");
  await here.imageDiff("running");
  const pod = await here.place();
  pod.log().append(progressLine(10));
  await pod.start();
  await here.ready("Comparing", "running");
  await here.imageDiff("suspended", { suspend: true });
  await here.ready("Suspended", "suspended");
  await here.imageDiff("unplaced");
  await here.newPod();
  await here.ready("JobCreated", "unplaced");
  await here.claim("busy");
  await here.user("vm", "busy");
  await here.imageDiff("waiting", { modified: { claimName: "busy" } });
  await here.ready("SourcesInUse", "waiting");
  await here.imageDiff("missing", { base: { claimName: "missing" } });
  await here.ready("ClaimMissing", "missing");
  // The last to be told is that.
  await eventually(async () => (await here.events("missing")).length === 1);

  const trail = new AuditTrail(cluster());
  const renewals = await eventually(
    () => {
      const all = requestsOf(trail, replica.who).filter(
        ({ verb, objectRef }) => verb === "update" && objectRef?.resource === "leases",
      );
      return seconds(all) > 60 && all;
    },
    { timeoutMs: 90_000, intervalMs: 1000 },
  );
  expect(writesOf(trail, replica.who)).toEqual([]);
  // Every two seconds.
  expect(renewals.length).toBeLessThan(40);
  expect(await here.jobs()).toHaveLength(4);
});

/** From the first to the last. */
function seconds(records: readonly AuditRecord[]): number {
  const [first = NaN, last = NaN] = [records[0], records.at(-1)].map((record) =>
    Date.parse(record?.requestReceivedTimestamp ?? ""),
  );
  return (last - first) / 1000;
}
