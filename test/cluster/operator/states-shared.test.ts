/** Claims that several ImageDiffs use: side by side where that is safe, else in turn. */
import { expect, test } from "vitest";
import { adminClient } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import { expectGoesOn, expectWaiting, nodesOf, placed, waitingPod } from "./states.ts";
import { world, type World } from "./world.ts";

const admin = adminClient();

/** Two ImageDiffs' claims: a modified image for each, base and output in common. */
async function claims(here: World, accessModes?: string[]): Promise<void> {
  const shared = accessModes === undefined ? {} : { accessModes };
  await Promise.all([
    ...["root", "root-2"].map(async (name) => here.claim(name)),
    ...["golden", "thin"].map(async (name) => here.claim(name, shared)),
  ]);
}

test("a golden image that many may read: nobody waits, and every engine goes where it likes", async () => {
  const here = await world(admin);
  await claims(here, ["ReadWriteMany"]);
  await here.imageDiff();
  const first = await placed(here);
  await first.start();
  await here.imageDiff("web-02", { modified: { claimName: "root-2" } });
  const second = await waitingPod(here, "web-02");
  expect(nodesOf(second)).toEqual([]);
  await here.ready("Starting");
  await expectGoesOn(here, "web-02");
  await expectGoesOn(here, "web-01", first);
});

test("claims for one node at a time: the second engine goes where the first is", async () => {
  const here = await world(admin);
  await claims(here);
  await here.imageDiff();
  const pod = await waitingPod(here);
  expect(nodesOf(pod)).toEqual([]);
  await here.imageDiff("web-02", { modified: { claimName: "root-2" } });
  // It would be sent somewhere else otherwise, and one of the two could never start.
  await expectWaiting(
    here,
    "HolderUnplaced",
    [`Pod ${pod.metadata?.name} uses the ReadWriteOnce claim`, "is on no node yet"],
    { name: "web-02" },
  );
  const first = await here.kubelet.run(pod);
  expect(nodesOf(await waitingPod(here, "web-02"))).toEqual([here.kubelet.node]);
  await expectGoesOn(here, "web-02");
  await expectGoesOn(here, "web-01", first);
});

test("an image that another ImageDiff writes now is waited for", async () => {
  const here = await world(admin);
  await claims(here);
  await here.imageDiff("maker", { output: { claimName: "thin", path: "layer.qcow2" } });
  const maker = await placed(here, "maker");
  await maker.start();
  const base = { claimName: "thin", path: "layer.qcow2", format: "qcow2" };
  const output = { claimName: "golden", path: "web-01.qcow2" };
  await here.imageDiff("web-01", { base, modified: { claimName: "root-2" }, output });
  await expectWaiting(here, "SourcesInUse", [
    `Pod ${maker.name} of ImageDiff maker uses the claim thin`,
    "the work starts when it has ended",
  ]);
  expect(await here.jobs()).toHaveLength(1);
  await expectGoesOn(here, "maker", maker);
  await expectGoesOn(here);
});

test("an engine that has lost its Job still reads what it has read, and writes what it has written", async () => {
  const here = await world(admin);
  await claims(here, ["ReadWriteMany"]);
  await here.imageDiff("maker");
  const maker = await placed(here, "maker");
  maker.ignoresSigterm = true;
  await maker.start();
  await here.ready("Starting", "maker");
  await admin.delete(here.path("maker"));
  await eventually(async () => (await here.jobs()).length === 0);
  // Its pod goes on to read golden, and to write to thin.
  const modified = { claimName: "root-2" };
  await here.imageDiff("web-01", { modified, output: { claimName: "root-2" } });
  await expectGoesOn(here);
  const base = { claimName: "thin", path: "maker.qcow2", format: "qcow2" };
  await here.imageDiff("web-02", { base, modified, output: { claimName: "root-2" } });
  await expectWaiting(here, "SourcesInUse", [`Pod ${maker.name} is ending`, "the claim thin"], {
    name: "web-02",
  });
  await maker.terminate({ exitCode: 143 });
  await expectGoesOn(here, "web-02");
});

test("another image of a claim that an ImageDiff writes to is free", async () => {
  const here = await world(admin);
  await claims(here);
  await here.imageDiff("maker", { output: { claimName: "thin", path: "other.qcow2" } });
  const maker = await placed(here, "maker");
  await maker.start();
  const base = { claimName: "thin", path: "layer.qcow2", format: "qcow2" };
  const output = { claimName: "golden", path: "web-01.qcow2" };
  await here.imageDiff("web-01", { base, modified: { claimName: "root-2" }, output });
  await expectGoesOn(here);
  await expectGoesOn(here, "maker", maker);
});

test("a claim for one pod at a time: even a reader and another engine are waited for", async () => {
  const here = await world(admin);
  await Promise.all(["root", "root-2", "thin"].map(async (name) => here.claim(name)));
  await here.claim("golden", { accessModes: ["ReadWriteOncePod"] });
  await here.user("reader", "golden", { readOnly: true });
  const sourceUse = "AllowReadOnly";
  await here.imageDiff("web-01", { sourceUse });
  await expectWaiting(here, "ClaimInUse", [
    "ReadWriteOncePod is for one pod at a time",
    "Pod reader holds the claim golden",
  ]);
  await here.remove("pods", "reader");
  const first = await placed(here);
  await here.imageDiff("web-02", { sourceUse, modified: { claimName: "root-2" } });
  await expectWaiting(here, "ClaimInUse", [`Pod ${first.name} of ImageDiff web-01`], {
    name: "web-02",
  });
  await expectGoesOn(here, "web-01", first);
  await expectGoesOn(here, "web-02");
});
