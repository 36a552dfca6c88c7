/** Images that are devices: Block claims, read by a pod that is not root. */
import { describe, expect, onTestFinished, test } from "vitest";
import { adminClient } from "../cluster/cluster.ts";
import { node, ownNodes } from "../node/cluster.ts";
import { Disks } from "./disks.ts";
import { expectOverlay, expectUntouched } from "./expectations.ts";
import { product } from "./product.ts";
import { scene } from "./scene.ts";

const admin = adminClient();
const disks = new Disks();
product();

describe.runIf(ownNodes)("on our own nodes", () => {
  test("the devices of two Block claims become an overlay on a Filesystem claim", async () => {
    const here = await scene(admin);
    await here.device("golden", await disks.golden());
    await here.device("root", await disks.clone("web-01"));
    await here.folder("thin");

    await here.imageDiff();
    const { status } = await here.ready();

    expect(status.backingChain).toEqual([
      { claimName: "thin", path: "web-01.qcow2", format: "qcow2", backingFile: "../golden" },
      { claimName: "golden", format: "raw" },
    ]);
    await expectOverlay(here, {
      base: { claim: "golden" },
      modified: { claim: "root" },
      overlay: { claim: "thin", path: "web-01.qcow2" },
    });
  });

  test("a runtime that lets only root open a device is told of as what it is", async () => {
    const strict = node(2);
    const here = await scene(admin);
    const nodes = [strict];
    await here.device("golden", await disks.golden(), { nodes });
    await here.device("root", await disks.clone("web-01"), { nodes });
    await here.folder("thin", { nodes });
    onTestFinished(async () => strict.setRuntime({ deviceOwnership: true }));
    await strict.setRuntime({ deviceOwnership: false });

    await here.imageDiff();
    const { status } = await here.ready("ImageUnreadable");

    expect(status).toMatchObject({ phase: "Failed", attempts: 1, lastFailure: { exitCode: 3 } });
    expect(status.lastFailure?.message).toContain("/volumes/golden");
    await expectUntouched(here);
  });
});
