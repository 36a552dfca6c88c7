/** Fifty clones of one golden image at once, with no more Jobs at a time than the node can bear. */
import { execFileSync } from "node:child_process";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ImageDiff } from "../../src/api/resource.ts";
import { adminClient } from "../cluster/cluster.ts";
import { eventually } from "../cluster/eventually.ts";
import { ownNodes } from "../node/cluster.ts";
import { isReady } from "../node/nodes.ts";
import { Disks } from "./disks.ts";
import { expectOverlay } from "./expectations.ts";
import { product, upgrade } from "./product.ts";
import { scene } from "./scene.ts";

const admin = adminClient();
const disks = new Disks();
product();

const COUNT = 50;
const MAX_JOBS = 4;

describe.runIf(ownNodes)("on our own nodes", () => {
  test(`${COUNT} at once, at most ${MAX_JOBS} Jobs at a time`, { timeout: 1_200_000 }, async () => {
    await upgrade(admin, { maxJobs: String(MAX_JOBS) });
    onTestFinished(async () => upgrade(admin));
    const here = await scene(admin);
    const names = Array.from({ length: COUNT }, (_, index) => `vm-${index}`);
    for (const name of ["golden", "clones", "thin"]) {
      await here.folder(name, { filesystem: "xfs", bytes: 1024 * 2 ** 20 });
    }
    await here.put(await disks.golden(), { claim: "golden" });
    const clone = await disks.clone("vm");
    const clones = here.see({ claim: "clones" });
    // What they share on storage is stored once: there are fifty of them.
    execFileSync("cp", ["--sparse=always", clone, `${clones}/first.img`]);
    for (const name of names) {
      execFileSync("cp", ["--reflink=always", `${clones}/first.img`, `${clones}/${name}.img`]);
    }
    execFileSync("chown", ["-R", "107:107", clones]);

    const begun = performance.now();
    await Promise.all(
      names.map(async (name) =>
        here.imageDiff(name, { modified: { claimName: "clones", path: `${name}.img` } }),
      ),
    );
    let most = 0;
    await eventually(
      async () => {
        const unfinished = (await here.jobs()).filter(
          ({ status }) => status?.succeeded === undefined && status?.failed === undefined,
        );
        most = Math.max(most, unfinished.length);
        expect(unfinished.length).toBeLessThanOrEqual(MAX_JOBS);
        const all = await admin.list<ImageDiff>(
          `/apis/imagediff.io/v1alpha1/namespaces/${here.space}/imagediffs`,
        );
        return all.every(({ status }) => status?.phase === "Succeeded");
      },
      { timeoutMs: 1_100_000, intervalMs: 500 },
    );
    const seconds = (performance.now() - begun) / 1000;

    expect(most).toBe(MAX_JOBS);
    expect(await isReady(admin, "node-1")).toBe(true);
    const name = names.at(-1) ?? "";
    await expectOverlay(here, {
      base: { claim: "golden", path: "disk.img" },
      modified: { claim: "clones", path: `${name}.img` },
      overlay: { claim: "thin", path: `${name}.qcow2` },
    });
    process.stderr.write(`${COUNT} ImageDiffs took ${seconds.toFixed(0)} s\n`);
  });
});
