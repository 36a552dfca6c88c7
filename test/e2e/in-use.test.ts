/** A pod that writes to an image: it is named and waited for, and what it wrote last counts. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { adminClient } from "../cluster/cluster.ts";
import { eventually } from "../cluster/eventually.ts";
import { ownNodes } from "../node/cluster.ts";
import { loadBusybox } from "../node/images.ts";
import { podManifest, running } from "../node/pods.ts";
import { Disks } from "./disks.ts";
import { expectOverlay, expectWaiting } from "./expectations.ts";
import { product } from "./product.ts";
import { threeClaims } from "./scene.ts";

const admin = adminClient();
const disks = new Disks();
product();
beforeAll(async () => loadBusybox());

describe.runIf(ownNodes)("on our own nodes", () => {
  test("the work waits for a pod that writes to the disk, and then sees what it wrote", async () => {
    const [golden, root] = [await disks.golden(), await disks.clone("web-01")];
    const here = await threeClaims(admin, { golden, root });
    const modified = { claim: "root", path: "disk.img" };
    // The last 4 MiB of the disk, again and again, and differently each time.
    const script = `
      count=0
      while :; do
        count=$((count + 1))
        yes "write $count" | dd of=/volumes/root/disk.img bs=1M count=4 seek=92 iflag=fullblock \\
          conv=notrunc,fsync 2> /dev/null
      done`;
    const claims = [{ name: "root" }];
    const pod = await admin.create(podManifest(here.space, "guest", { script, claims }));
    await running(admin, pod);
    await eventually(() => /^write \d+$/m.test(lastBytes(here.see(modified))), {
      timeoutMs: 60_000,
    });

    await here.imageDiff();
    await expectWaiting(here, "SourcesInUse", ["Pod guest holds the claim root: stop it."]);
    expect(await here.jobs()).toEqual([]);

    await admin.delete(pod);
    await here.ready();

    expect(lastBytes(here.see(modified))).toMatch(/^write \d+$/m);
    await here.note(modified);
    await expectOverlay(here, {
      base: { claim: "golden", path: "disk.img" },
      modified,
      overlay: { claim: "thin", path: "web-01.qcow2" },
    });
  });
});

function lastBytes(image: string): string {
  return readFileSync(image).subarray(-64_000).toString("latin1");
}
