/** Images of other formats, overlays that are compressed, and claims that hold more than one image. */
import { statSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { adminClient } from "../cluster/cluster.ts";
import { ownNodes } from "../node/cluster.ts";
import { must } from "../support/command.ts";
import { Disks } from "./disks.ts";
import { runEngine } from "./engine.ts";
import { expectOverlay } from "./expectations.ts";
import { product } from "./product.ts";
import { scene, type Place, type Scene } from "./scene.ts";

const admin = adminClient();
const disks = new Disks();
product();

/** As the header of a qcow2 file says. */
async function compressionOf(path: string): Promise<unknown> {
  const info = JSON.parse(
    await must("qemu-img", ["info", "--output=json", "-f", "qcow2", path]),
  ) as { "format-specific": { data: Record<string, unknown> } };
  return info["format-specific"].data["compression-type"];
}

/** Expects that a pod which mounts the claims side by side finds the base from the overlay. */
async function expectChain(here: Scene, overlay: Place, base: Place): Promise<void> {
  const path = ({ claim, path: inClaim }: Place): string => `/volumes/${claim}/${inClaim}`;
  const claims = [...new Set([overlay.claim, base.claim])];
  const told = await runEngine(
    here,
    "chain",
    ["chain", ...claims.map((name) => `--volume=/volumes/${name}`), path(overlay)],
    claims.map((name) => ({ name, readOnly: true })),
  );
  expect(told["backingChain"]).toEqual([
    { path: path(overlay), format: "qcow2", backingFile: `../${base.claim}/${base.path}` },
    { path: path(base), format: base.format, backingFile: null },
  ]);
}

describe.runIf(ownNodes)("on our own nodes", () => {
  test("qcow2 and vmdk: the overlay is compressed, and as large as the estimate says", async () => {
    const here = await scene(admin);
    for (const name of ["golden", "root", "thin"]) await here.folder(name);
    const base = { claim: "golden", path: "golden.qcow2", format: "qcow2" } as const;
    // The kubelet would put other words in the place of these, if it were asked to.
    const odd = "web-$$01-$(KUBERNETES_SERVICE_HOST).vmdk";
    const modified = { claim: "root", path: odd, format: "vmdk" } as const;
    await here.put(await disks.as("qcow2", await disks.golden()), base);
    await here.put(await disks.as("vmdk", await disks.clone("web-01")), modified);
    const spec = (output: object): Record<string, unknown> => ({
      base: { claimName: base.claim, path: base.path, format: base.format },
      modified: { claimName: modified.claim, path: modified.path, format: modified.format },
      output: { claimName: "thin", ...output },
    });

    const sizes: Record<string, number> = {};
    for (const compression of ["None", "Zlib", "Zstd"]) {
      const name = compression.toLowerCase();
      const overlay = { claim: "thin", path: `${name}.qcow2` };
      const output = { compression, path: overlay.path };
      await here.imageDiff(`${name}-estimate`, { mode: "Estimate", ...spec(output) });
      const estimate = await here.ready("Estimated", `${name}-estimate`);
      await here.imageDiff(name, spec(output));
      const { status } = await here.ready("OverlayReady", name);

      const file = here.see(overlay);
      sizes[name] = statSync(file).size;
      expect(status.output?.fileSizeBytes).toBe(sizes[name]);
      expect(estimate.status.output).toMatchObject({ fileSizeBytes: sizes[name] });
      expect(estimate.status.changes).toEqual(status.changes);
      expect(await compressionOf(file)).toBe(compression === "Zstd" ? "zstd" : "zlib");
      await expectOverlay(here, { base, modified, overlay });
    }

    const { none = 0, zlib = 0, zstd = 0 } = sizes;
    expect({ zlib: zlib < none, zstd: zstd < none }).toEqual({ zlib: true, zstd: true });
    await expectChain(here, { claim: "thin", path: "zstd.qcow2" }, base);
  });

  test("the overlay beside its base, on one claim", async () => {
    const here = await scene(admin);
    for (const name of ["golden", "root"]) await here.folder(name);
    await here.put(await disks.golden(), { claim: "golden" });
    await here.put(await disks.clone("web-01"), { claim: "root" });
    const base = { claim: "golden", path: "disk.img", format: "raw" };
    const modified = { claim: "root", path: "disk.img" };
    const overlay = { claim: "golden", path: "clones/web-01.qcow2" };
    await must("install", [
      "-d",
      "-o",
      "107",
      "-g",
      "107",
      here.see({ claim: "golden", path: "clones" }),
    ]);

    await here.imageDiff("web-01", { output: { claimName: "golden", path: overlay.path } });
    await here.ready();

    await expectOverlay(here, { base, modified, overlay });
  });

  test("one claim for all three images", async () => {
    const here = await scene(admin);
    await here.folder("images", { filesystem: "xfs", bytes: 512 * 2 ** 20 });
    const base = { claim: "images", path: "golden.img", format: "raw" };
    const modified = { claim: "images", path: "web-01.img" };
    const overlay = { claim: "images", path: "web-01.qcow2" };
    await here.put(await disks.golden(), base);
    await here.put(await disks.clone("web-01"), modified);

    await here.imageDiff("web-01", {
      base: { claimName: "images", path: base.path },
      modified: { claimName: "images", path: modified.path },
      output: { claimName: "images" },
    });
    await here.ready();

    await expectOverlay(here, { base, modified, overlay });
    await expectChain(here, overlay, base);
  });
});
