/** What users hear of a life, and what it costs the API server. */
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { run, type Ended } from "../../support/command.ts";
import { accountName, AuditTrail, type AuditRecord } from "../audit.ts";
import { binaries } from "../binaries.ts";
import { adminClient, cluster, kubeconfig } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import { fails, progressLine, result } from "./engine.ts";
import { expectScenes, expectFailed, expectGoesOn, expectWaiting, placed } from "./states.ts";
import { ACCOUNT, startController, world, type World } from "./world.ts";

const admin = adminClient();

/** Expects that these were told and no others; each once, in this order. */
async function expectTold(here: World, ...expected: string[]): Promise<void> {
  await eventually(async () => {
    const events = await here.events();
    const told = events
      .toSorted((a, b) => ((a.eventTime ?? "") < (b.eventTime ?? "") ? -1 : 1))
      .map(({ type, reason }) => `${type} ${reason}`);
    expect(told).toEqual(expected);
    expect(
      events.every(({ reportingController }) => reportingController === "imagediff.io/controller"),
    ).toBe(true);
    return true;
  });
}

test("a good life: that there is a Job, and that the overlay is there", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff();
  const pod = await placed(here);
  await pod.start();
  pod.log().append(progressLine(50));
  await here.ready("Comparing");
  await pod.terminate({ exitCode: 0, message: JSON.stringify(result()) });
  await here.ready("OverlayReady");
  await expectTold(here, "Normal JobCreated", "Normal OverlayReady");
  const [, done] = (await here.events()).toSorted((a, b) =>
    (a.eventTime ?? "") < (b.eventTime ?? "") ? -1 : 1,
  );
  expect(done?.note).toContain("99% saved");
});

const scenes = {
  "a retry: why": async () => {
    const here = await world(admin);
    await here.claims();
    await here.imageDiff();
    await fails(await placed(here), "NoSpace", "spec.output: claim thin is full.");
    await expectWaiting(here, "NoSpace", ["claim thin is full"]);
    await expectTold(here, "Normal JobCreated", "Warning NoSpace");
    await expectGoesOn(here);
    await expectTold(here, "Normal JobCreated", "Warning NoSpace", "Normal OverlayReady");
  },
  "a good life takes eight writes at most": async () => {
    const trail = new AuditTrail(cluster());
    const here = await world(admin);
    await here.claims();
    await here.imageDiff();
    const pod = await placed(here);
    await here.ready("JobCreated");
    await pod.start();
    await here.ready("Starting");
    pod.log().append(progressLine(1));
    await here.ready("Comparing");
    pod.log().append(progressLine(2, "Verifying"));
    await here.ready("Verifying");
    await pod.terminate({ exitCode: 0, message: JSON.stringify(result()) });
    await here.ready("OverlayReady");
    await expectTold(here, "Normal JobCreated", "Normal OverlayReady");
    const writes = writesIn(here, trail).map(({ verb, objectRef }) => {
      const { resource, subresource } = objectRef ?? {};
      return [verb, resource, subresource].filter((word) => word !== undefined).join(" ");
    });
    expect(writes.length, `of ${writes.join(", ")}`).toBeLessThanOrEqual(8);
    expect(writes.filter((write) => write === "create jobs")).toHaveLength(1);
  },
  "progress is written every five seconds at most, however fast it comes": async () => {
    const trail = new AuditTrail(cluster());
    const here = await world(admin);
    await here.claims();
    await here.imageDiff();
    const pod = await placed(here);
    await pod.start();
    let percent = 0;
    // As fast as the engine can tell it.
    const telling = setInterval(() => pod.log().append(progressLine((percent += 0.5) % 100)), 100);
    onTestFinished(() => clearInterval(telling));
    const moments = await eventually(async () => {
      const seen = writesIn(here, trail)
        .filter(({ objectRef }) => objectRef?.subresource === "status")
        .map(({ requestReceivedTimestamp }) => Date.parse(requestReceivedTimestamp));
      return seen.length >= 5 && seen;
    });
    clearInterval(telling);
    // The first two are about the Job and about the start.
    const gaps = moments.slice(2).map((moment, index) => moment - (moments[index + 1] ?? 0));
    for (const gap of gaps.slice(1)) expect(gap).toBeGreaterThan(4900);
    await expectGoesOn(here, "web-01", pod);
  },
};

test("a retry, the writes of a life, and those of much progress", async () => {
  await expectScenes(scenes);
});

test("a failure: once, with what to do", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff();
  await fails(await placed(here), "SizeMismatch", "spec.modified: 2 GiB, and spec.base has 1.");
  await expectFailed(here, "SizeMismatch", ["2 GiB"]);
  await expectTold(here, "Normal JobCreated", "Warning SizeMismatch");
});

test("whatever it waits for: each once, and what comes again is counted", async () => {
  const here = await world(admin, { controller: false });
  const { stop } = await startController(admin, here.space);
  await here.claims();
  await here.user("vm", "root");
  await here.imageDiff();
  for (let round = 0; round < 3; round += 1) {
    await expectWaiting(here, "SourcesInUse", ["Pod vm holds the claim root"]);
    await here.edit({ suspend: true });
    await here.ready("Suspended");
    await here.edit({ suspend: false });
  }
  await expectWaiting(here, "SourcesInUse", ["Pod vm holds the claim root"]);
  await expectTold(here, "Warning SourcesInUse");
  // What is left to tell is told at the end, instead of once a minute.
  await stop();
  const [event] = await here.events();
  expect(event?.series?.count).toBe(4);
  expect(await here.events()).toHaveLength(1);
});

/** What a controller has written in the world's namespace. */
function writesIn({ space }: World, trail: AuditTrail): AuditRecord[] {
  return trail
    .records(accountName(ACCOUNT.namespace, ACCOUNT.name))
    .filter(({ objectRef }) => objectRef?.namespace === space)
    .filter(({ verb }) => !["get", "list", "watch"].includes(verb));
}

async function kubectl({ space }: World, ...args: string[]): Promise<Ended> {
  const { kubectl: program } = await binaries("kubectl");
  const cache = join(cluster().folder, "kubectl-cache");
  return run(program, [
    ...[`--kubeconfig=${kubeconfig("admin")}`, `--namespace=${space}`, `--cache-dir=${cache}`],
    ...args,
  ]);
}

test("kubectl wait: until it is Ready, until it has failed", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff("good");
  await here.ready("JobCreated", "good");
  const good = kubectl(here, "wait", "--for=condition=Ready", "imagediff/good", "--timeout=60s");
  await expectGoesOn(here, "good");
  expect(await good).toMatchObject({ exitCode: 0, stderr: "" });
  expect((await good).stdout).toContain("imagediff.imagediff.io/good condition met");

  await here.imageDiff("bad");
  await here.ready("JobCreated", "bad");
  const bad = kubectl(here, "wait", "--for=condition=Stalled", "idiff/bad", "--timeout=60s");
  await fails(await placed(here, "bad"), "SizeMismatch");
  expect(await bad).toMatchObject({ exitCode: 0, stderr: "" });
});
