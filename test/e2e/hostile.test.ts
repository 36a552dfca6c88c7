/** Tenants who want to read what is not theirs, or to bring the node down. */
import { statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { adminClient, namespace } from "../cluster/cluster.ts";
import { eventually } from "../cluster/eventually.ts";
import { kubectl, ownNodes } from "../node/cluster.ts";
import { loadBusybox } from "../node/images.ts";
import { must } from "../support/command.ts";
import { Disks } from "./disks.ts";
import { expectOverlay, expectUntouched } from "./expectations.ts";
import { product } from "./product.ts";
import { patience, scene, threeClaims, type Scene } from "./scene.ts";

const admin = adminClient();
const disks = new Disks();
product();
beforeAll(async () => loadBusybox());

const MiB = 2 ** 20;
const GiB = 2 ** 30;

test.each([
  ["base", "../../etc/shadow"],
  ["modified", "/etc/passwd"],
  ["output", "../golden/disk.img"],
])("a path of %s that leaves its claim is refused by the API server: %s", async (part, path) => {
  const here = { admin, space: await namespace(admin) };
  const spec: Record<string, object> = {
    base: { claimName: "golden" },
    modified: { claimName: "root" },
    output: { claimName: "thin" },
  };
  const manifest = {
    apiVersion: "imagediff.io/v1alpha1",
    kind: "ImageDiff",
    metadata: { name: "web-01", namespace: here.space },
    spec: { ...spec, [part]: { ...spec[part], path } },
  };
  await expect(admin.create(manifest)).rejects.toThrow(
    new RegExp(`spec\\.${part}\\.path.*must be a path inside of the claim`, "s"),
  );
});

describe.runIf(ownNodes)("on our own nodes", () => {
  test.each([
    ["another claim of the pod", "../golden/disk.img", "PathOutsideVolume"],
    ["a file of the container", "/etc/passwd", "PathOutsideVolume"],
    ["the program that reads it", "/proc/self/exe", "PathOutsideVolume"],
  ])("a symbolic link in the place of the disk leads nowhere: %s", async (_, target, reason) => {
    const here = await withDisk((path) => symlinkSync(target, path));
    await expectRefused(here, reason);
  });

  test("a planted qcow2 header in a raw disk is data, and nothing else", async () => {
    const here = await threeClaims(admin, {
      golden: await disks.golden(),
      root: await disks.clone("web-01"),
    });
    const modified = { claim: "root", path: "disk.img" };
    const planted = here.see({ claim: "root", path: "planted" });
    await must("qemu-img", [
      ...["create", "-q", "-f", "qcow2", "-u", "-b", "/etc/passwd", "-F", "raw"],
      ...[planted, "96M"],
    ]);
    const first = ["bs=64k", "count=1", "conv=notrunc", "status=none"];
    await must("dd", [`if=${planted}`, `of=${here.see(modified)}`, ...first]);
    await here.note(modified);

    await here.imageDiff();
    await here.ready();

    await expectOverlay(here, {
      base: { claim: "golden", path: "disk.img" },
      modified,
      overlay: { claim: "thin", path: "web-01.qcow2" },
    });
  });

  test.each([
    ["a file of the container", "/etc/passwd"],
    ["an image in another claim", "../golden/disk.img"],
    ["a server on the network", "nbd://192.0.2.1/disk"],
  ])("a qcow2 image whose backing file is %s is refused", async (_, backing) => {
    const create = ["create", "-q", "-f", "qcow2", "-u", "-F", "raw", "-b", backing];
    const here = await withDisk(async (path) => must("qemu-img", [...create, path, "96M"]));
    await expectRefused(here, "BackingFileRefused", { format: "qcow2" });
  });

  test("a sparse disk of 8 TiB is bounded by what it holds, and the node goes on", async () => {
    const size = 8 * 1024 * GiB;
    const here = await withDisk((path) => writeFileSync(path, "x"));
    const images = ["golden", "root"].map((claim) => here.see({ claim, path: "disk.img" }));
    for (const image of images) truncateSync(image, size);
    // Nobody can read all of them; that they were written to would be seen by their time.
    here.sources.clear();
    const before = images.map((image) => statSync(image, { bigint: true }).mtimeNs);

    await here.imageDiff("web-01", { output: { claimName: "thin", clusterSize: "2Mi" } });
    const { status } = await here.ready();

    expect(status.output?.virtualSizeBytes).toBe(size);
    expect(status.output?.allocatedBytes).toBeLessThan(256 * MiB);
    expect(images.map((image) => statSync(image, { bigint: true }).mtimeNs)).toEqual(before);
  });

  test("an image that claims a size that nobody has is refused", async () => {
    const here = await withDisk(async (path) =>
      must("qemu-img", ["create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", path, "1P"]),
    );
    await expectRefused(here, "ImageRefused", { format: "qcow2" });
  });

  test("the engine's pod has no token, no capability, no root and nothing to write to", async () => {
    const here = await threeClaims(admin, {
      golden: await disks.golden(),
      root: await disks.clone("web-01"),
    });
    // Slow enough to be looked at.
    await here.imageDiff("web-01", {
      job: { resources: { limits: { cpu: "20m", memory: "512Mi" }, requests: { cpu: "10m" } } },
    });
    const pod = await eventually(async () => {
      const [found] = await here.enginePods();
      return found?.status?.phase === "Running" ? found : undefined;
    }, patience);
    const said = await fromInside(here, pod);

    expect(said).toMatchObject({ Uid: "107", Gid: "107", NoNewPrivs: "1", Seccomp: "2" });
    const none = "0000000000000000";
    const sets = { CapInh: none, CapPrm: none, CapEff: none, CapBnd: none, CapAmb: none };
    expect(said).toMatchObject(sets);
    const mounts = (said["mounts"] ?? "").split("\n").map((line) => line.split(" "));
    const at = (where: string): string[] => mounts.find((fields) => fields[1] === where) ?? [];
    expect(at("/")[3]).toMatch(/^ro\b/);
    expect(at("/volumes/golden")[3]).toMatch(/^ro\b/);
    expect(at("/volumes/root")[3]).toMatch(/^ro\b/);
    expect(at("/volumes/thin")[3]).toMatch(/^rw\b/);
    expect(mounts.filter((fields) => fields[1]?.includes("serviceaccount"))).toEqual([]);
  });
});

/** Three claims, with a golden image, and a disk as that puts it there. */
async function withDisk(make: (path: string) => unknown): Promise<Scene> {
  const here = await scene(admin);
  await here.folder("golden", { filesystem: "xfs", bytes: 512 * MiB });
  await here.folder("root", { filesystem: "xfs", bytes: 512 * MiB });
  await here.folder("thin");
  await here.put(await disks.golden(), { claim: "golden" });
  await make(here.see({ claim: "root", path: "disk.img" }));
  await must("chown", ["-h", "107:107", here.see({ claim: "root", path: "disk.img" })]);
  return here;
}

/** Expects that it fails for that reason at the first attempt, and that nothing was written. */
async function expectRefused(
  here: Scene,
  reason: string,
  modified: Record<string, unknown> = {},
): Promise<void> {
  await here.imageDiff("web-01", { modified: { claimName: "root", ...modified } });
  const { status } = await here.ready(reason);
  expect(status).toMatchObject({ phase: "Failed", attempts: 1, lastFailure: { exitCode: 3 } });
  expect(await must("ls", ["-A", here.see({ claim: "thin" })])).toBe("lost+found\n");
  await expectUntouched(here);
}

/** What the kernel tells the engine about itself, through a debugging container beside it. */
async function fromInside(here: Scene, pod: Pod): Promise<Record<string, string>> {
  const name = pod.metadata?.name ?? "";
  const inPod = [`--namespace=${here.space}`, name, "--container=engine", "--"];
  const status = await kubectl(
    "exec",
    ...inPod,
    "/bin/sh",
    "-c",
    'while read -r l; do echo "$l"; done < /proc/1/status',
  );
  const mounts = await kubectl(
    "exec",
    ...inPod,
    "/bin/sh",
    "-c",
    'while read -r l; do echo "$l"; done < /proc/1/mounts',
  );
  const fields = Array.from(status.matchAll(/^(\w+):\t(\S+)/gm), ([, key = "", value = ""]) => [
    key,
    value,
  ]);
  return { ...(Object.fromEntries(fields) as Record<string, string>), mounts };
}
