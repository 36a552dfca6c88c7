/** What goes wrong on a real node: the right reason, no partial file, and recovery. */
import { readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { adminClient } from "../cluster/cluster.ts";
import { eventually } from "../cluster/eventually.ts";
import { node, ownNodes } from "../node/cluster.ts";
import { Disks } from "./disks.ts";
import { expectOverlay, expectUntouched, expectWaiting } from "./expectations.ts";
import { product } from "./product.ts";
import { atWork, patience, slowly, threeClaims, type Scene } from "./scene.ts";

const admin = adminClient();
const disks = new Disks();
product();

const images = {
  base: { claim: "golden", path: "disk.img" },
  modified: { claim: "root", path: "disk.img" },
  overlay: { claim: "thin", path: "web-01.qcow2" },
};
describe.runIf(ownNodes)("on our own nodes", () => {
  test("an engine that needs more memory than it may have is told as that, and not for ever", async () => {
    const here = await clonedDisk();
    const resources = { limits: { memory: "40Mi" }, requests: { memory: "40Mi", cpu: "50m" } };

    await here.imageDiff("web-01", { backoffLimit: 1, job: { resources } });
    const { status } = await here.failed("OutOfMemory");

    expect(status).toMatchObject({ phase: "Failed", attempts: 2 });
    expect(status.lastFailure?.message).toContain("40Mi");
    // Whoever is killed like this cannot tidy up: what it began keeps its temporary name.
    expect(filesOf(here)).not.toContain("web-01.qcow2");
    await expectUntouched(here);
    await here.imageDiff("again", { output: { claimName: "thin", path: "web-01.qcow2" } });
    await here.ready("OverlayReady", "again");
    expect(filesOf(here)).toEqual(["lost+found", "web-01.qcow2"]);
  });

  test("an engine that is killed begins again, and leaves nothing half-done", async () => {
    const here = await clonedDisk();
    await here.imageDiff("web-01", { job: slowly });
    await atWork(here);

    await killEngine(here);
    const { status } = await here.ready();

    expect(status).toMatchObject({ attempts: 2, lastFailure: { exitCode: 137 } });
    await expectOverlay(here, images);
    expect(filesOf(here)).toEqual(["lost+found", "web-01.qcow2"]);
  });

  test("a pod that is deleted by hand is made again", async () => {
    const here = await clonedDisk();
    await here.imageDiff("web-01", { job: slowly });
    await atWork(here);

    const [pod] = await here.enginePods();
    await admin.delete({ apiVersion: "v1", kind: "Pod", ...pod });
    await here.ready();

    await expectOverlay(here, images);
    expect(filesOf(here)).toEqual(["lost+found", "web-01.qcow2"]);
  });

  test("a kubelet that is away for a while loses nothing", async () => {
    const here = await clonedDisk();
    await here.imageDiff("web-01", { job: slowly });
    await atWork(here);

    onTestFinished(() => node(1).ensure("kubelet"));
    await node(1).stop("kubelet");
    await eventually(() => filesOf(here).includes("web-01.qcow2"), patience);
    node(1).start("kubelet");
    const { status } = await here.ready();

    expect(status.attempts).toBe(1);
    await expectOverlay(here, images);
  });

  test("a full claim: tried again as often as asked for, with nothing left behind", async () => {
    const here = await clonedDisk();
    const filler = here.see({ claim: "thin", path: "filler" });
    fill(filler);

    await here.imageDiff("web-01", { backoffLimit: 1 });
    const { status } = await here.failed("NoSpace");

    expect(status).toMatchObject({ phase: "Failed", attempts: 2, lastFailure: { exitCode: 1 } });
    expect(filesOf(here)).toEqual(["filler", "lost+found"]);
    await expectUntouched(here);
  });

  test("a full claim that gets room between two attempts", async () => {
    const here = await clonedDisk();
    const filler = here.see({ claim: "thin", path: "filler" });
    fill(filler);

    await here.imageDiff();
    await expectWaiting(here, "NoSpace", ["space"]);
    rmSync(filler);
    const { status } = await here.ready();

    expect(status.lastFailure?.reason).toBe("NoSpace");
    await expectOverlay(here, images);
  });

  test("a missing image is told at once, and not tried again", async () => {
    const here = await clonedDisk();
    rmSync(here.see(images.modified));

    await here.imageDiff();
    const { status } = await here.ready("ImageNotFound");

    expect(status).toMatchObject({ phase: "Failed", attempts: 1, lastFailure: { exitCode: 3 } });
    expect(status.lastFailure?.message).toContain("/volumes/root/disk.img");
  });

  test("a damaged image is refused by the format that it is said to have", async () => {
    const here = await clonedDisk();
    const path = "damaged.qcow2";
    const made = await disks.as("qcow2", await disks.clone("web-01"));
    await here.put(made, { claim: "root", path });
    truncateSync(here.see({ claim: "root", path }), 300_000);
    await here.note({ claim: "root", path });

    await here.imageDiff("web-01", { modified: { claimName: "root", path, format: "qcow2" } });
    await here.ready("ImageInvalid");

    await expectNothingWritten(here);
  });

  test("an overlay of other content at the output's path stays as it is", async () => {
    const here = await clonedDisk();
    const output = here.see(images.overlay);
    writeFileSync(output, "precious");

    await here.imageDiff();
    await here.ready("OutputExists");

    await here.note(images.overlay);
    await expectUntouched(here);
  });

  test("the same manifest applied anew finds its own overlay, and is Ready again", async () => {
    const here = await clonedDisk();
    await here.imageDiff();
    await here.ready();
    await here.note(images.overlay);
    await admin.delete(`/apis/imagediff.io/v1alpha1/namespaces/${here.space}/imagediffs/web-01`);
    await eventually(async () => (await here.enginePods()).length === 0, patience);

    await here.imageDiff();
    await here.ready();

    await expectOverlay(here, images);
  });
});

async function clonedDisk(): Promise<Scene> {
  return threeClaims(admin, {
    golden: await disks.golden(),
    root: await disks.clone("web-01"),
  });
}

async function killEngine(here: Scene): Promise<void> {
  const [pod] = await here.enginePods();
  const id = pod?.status?.containerStatuses?.[0]?.containerID?.replace("containerd://", "") ?? "";
  await node(1).killContainer(id);
}

/** Takes all the room of the file system that it is on. */
function fill(filler: string): void {
  const chunk = Buffer.alloc(2 ** 20, 1);
  for (;;) {
    try {
      writeFileSync(filler, chunk, { flag: "a" });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      return;
    }
  }
}

function filesOf(here: Scene): string[] {
  return readdirSync(here.see({ claim: "thin" })).toSorted();
}

async function expectNothingWritten(here: Scene): Promise<void> {
  expect(filesOf(here)).toEqual(["lost+found"]);
  await expectUntouched(here);
}
