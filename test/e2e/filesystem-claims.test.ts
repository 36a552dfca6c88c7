/** Images as files in claims: a golden image, a clone of it, and the overlay on a third claim. */
import { statSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { adminClient } from "../cluster/cluster.ts";
import { ownNodes } from "../node/cluster.ts";
import { changesOf, Disks } from "./disks.ts";
import { runEngine } from "./engine.ts";
import { expectOverlay, expectUntouched } from "./expectations.ts";
import { product } from "./product.ts";
import { checksum, threeClaims, type Scene } from "./scene.ts";

const admin = adminClient();
const disks = new Disks();
product();

const base = { claim: "golden", path: "disk.img" };
const modified = { claim: "root", path: "disk.img" };
const overlay = { claim: "thin", path: "web-01.qcow2" };

async function clonedDisk(): Promise<Scene> {
  const [golden, root] = [await disks.golden(), await disks.clone("web-01")];
  return threeClaims(admin, { golden, root });
}

describe.runIf(ownNodes)("on our own nodes", () => {
  test("the overlay is right, and the status tells all about it", async () => {
    const here = await clonedDisk();

    await here.imageDiff();
    const { status } = await here.ready();

    await expectOverlay(here, { base, modified, overlay });
    const [{ metadata: job } = {}, ...others] = await here.jobs();
    expect(others).toEqual([]);
    const made = statSync(here.see(overlay));
    const full = statSync(here.see(modified));
    const saved = 512 * (full.blocks - made.blocks);
    const percent = Math.floor((100 * saved) / (512 * full.blocks));
    const time: unknown = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const condition = (type: string, reason: string, message: string): object => ({
      ...{ type, status: "True", reason, message: expect.stringContaining(message) as unknown },
      ...{ observedGeneration: 1, lastTransitionTime: time },
    });
    expect(status).toEqual({
      ...{ observedGeneration: 1, phase: "Succeeded", attempts: 1 },
      ...{ startTime: time, completionTime: time, node: "node-1", jobName: job?.name },
      progress: { bytesDone: full.size, bytesTotal: full.size, percent: 100 },
      output: {
        ...{ claimName: "thin", path: "web-01.qcow2", format: "qcow2" },
        virtualSizeBytes: full.size,
        fileSizeBytes: made.size,
        allocatedBytes: 512 * made.blocks,
      },
      savings: {
        modifiedAllocatedBytes: 512 * full.blocks,
        overlayAllocatedBytes: 512 * made.blocks,
        savedBytes: saved,
        percent,
        summary: `${(saved / 2 ** 20).toPrecision(3)} MiB (${percent}%)`,
      },
      changes: await changesOf(here.see(base), here.see(modified)),
      backingChain: [
        {
          claimName: "thin",
          path: overlay.path,
          format: "qcow2",
          backingFile: "../golden/disk.img",
        },
        { claimName: "golden", path: "disk.img", format: "raw" },
      ],
      readStrategy: "SparseScan",
      readStrategyReason: "Holes and known zeroes were not read.",
      conditions: expect.toSatisfy((conditions: unknown[]) => conditions.length === 4) as unknown,
    });
    expect(status.conditions).toEqual(
      expect.arrayContaining([
        condition("Ready", "OverlayReady", "thin/web-01.qcow2 takes"),
        condition("SourcesIdle", "Idle", "No pod uses the images."),
        condition("Schedulable", "Scheduled", "node-1"),
        condition("Verified", "ContentIdentical", "byte for byte"),
      ]),
    );
  });

  test("another pod that has the claims side by side reads the chain, and restores the disk", async () => {
    const here = await clonedDisk();
    await here.folder("restored");
    await here.imageDiff();
    await here.ready();
    const sources = ["thin", "golden"].map((name) => ({ name, readOnly: true }));
    const volumes = (...names: string[]): string[] =>
      names.map((name) => `--volume=/volumes/${name}`);
    const backingChain = [
      {
        path: "/volumes/thin/web-01.qcow2",
        format: "qcow2",
        backingFile: "../golden/disk.img",
      },
      { path: "/volumes/golden/disk.img", format: "raw", backingFile: null },
    ];
    const file = "/volumes/thin/web-01.qcow2";

    const chain = ["chain", ...volumes("thin", "golden"), file];
    expect(await runEngine(here, "chain", chain, sources)).toEqual({ type: "chain", backingChain });

    const against = ["--against", "/volumes/root/disk.img", "-f", "raw"];
    const verify = ["verify", ...volumes("thin", "golden", "root"), file, ...against];
    const withRoot = [...sources, { name: "root", readOnly: true }];
    expect(await runEngine(here, "verify", verify, withRoot)).toMatchObject({
      type: "verified",
      backingChain,
    });

    const target = "/volumes/restored/disk.img";
    const restore = ["restore", ...volumes("thin", "golden", "restored"), file, target];
    const withRestored = [...sources, { name: "restored" }];
    expect(await runEngine(here, "restore", restore, withRestored)).toMatchObject({
      type: "restored",
      backingChain,
    });
    expect(await checksum(here.see({ claim: "restored", path: "disk.img" }))).toBe(
      await checksum(here.see(modified)),
    );
    await expectUntouched(here);
  });
});
