/** Any cluster, by its API alone: images are brought in through a pod, and asked for in pods. */
import { cpSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import type { PersistentVolumeClaim } from "kubernetes-types/core/v1.d.ts";
import { adminClient } from "../cluster/cluster.ts";
import { loadImage, ownNodes } from "../node/cluster.ts";
import { imageFromFolder } from "../node/image.ts";
import { loadBusybox } from "../node/images.ts";
import { restrictedJob, type PodOptions } from "../node/pods.ts";
import { must } from "../support/command.ts";
import { testFolder } from "../support/folder.ts";
import { changesOf, Disks } from "./disks.ts";
import { runEngine, runJob } from "./engine.ts";
import { product } from "./product.ts";
import { provide } from "./provider.ts";
import { checksum, scene, type Scene } from "./scene.ts";

const admin = adminClient();
const disks = new Disks();
product();
beforeAll(async () => loadBusybox());

/** A claim of the cluster's default storage class; our own cluster has none, but a volume. */
async function claim({ space }: Scene, name: string): Promise<void> {
  if (ownNodes) await provide(admin, space, name);
  await admin.create<PersistentVolumeClaim>({
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name, namespace: space },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "256Mi" } } },
  });
}

/** Makes a container image that has disks in it, which its one program unpacks. */
async function loadDisks(images: Record<string, string>): Promise<string> {
  const name = "imagediff.test/disks:1";
  const folder = testFolder();
  const files = join(folder, "files");
  mkdirSync(join(files, "bin"), { recursive: true });
  cpSync("/bin/busybox", join(files, "bin", "busybox"));
  for (const program of ["sh", "gunzip"]) symlinkSync("busybox", join(files, "bin", program));
  for (const [disk, path] of Object.entries(images)) {
    await must("sh", ["-euc", 'gzip -1 -c "$0" > "$1"', path, join(files, `${disk}.gz`)]);
  }
  const archive = join(folder, "archive.tar");
  await imageFromFolder(files, name, { Env: ["PATH=/bin"] }, archive);
  await loadImage(archive);
  return name;
}

/** Runs a script in a pod that mounts claims; what it prints. */
async function inPod(
  here: Scene,
  name: string,
  { image, ...options }: PodOptions & { image?: string },
): Promise<string> {
  const job = restrictedJob(here.space, name, options);
  const [container] = job.spec?.template.spec?.containers ?? [];
  if (image !== undefined) Object.assign(container ?? {}, { image });
  return runJob(here, job);
}

test("an overlay is made, verified and restored", async () => {
  const here = await scene(admin);
  for (const name of ["golden", "root", "thin", "restored"]) await claim(here, name);
  const images = { golden: await disks.golden(), root: await disks.clone("web-01") };
  const names = Object.keys(images);
  await inPod(here, "import", {
    image: await loadDisks(images),
    script: names.map((name) => `gunzip -c /${name}.gz > /volumes/${name}/disk.img`).join("\n"),
    claims: names.map((name) => ({ name })),
  });

  await here.imageDiff();
  const { status } = await here.ready();

  expect(status.changes).toEqual(await changesOf(images.golden, images.root));
  const volumes = (...used: string[]): string[] => used.map((name) => `--volume=/volumes/${name}`);
  const sources = ["thin", "golden"].map((name) => ({ name, readOnly: true }));
  const overlay = "/volumes/thin/web-01.qcow2";

  const against = ["--against", "/volumes/root/disk.img", "-f", "raw"];
  const verify = ["verify", ...volumes("thin", "golden", "root"), overlay, ...against];
  const withRoot = [...sources, { name: "root", readOnly: true }];
  expect(await runEngine(here, "verify", verify, withRoot)).toMatchObject({ type: "verified" });

  const target = "/volumes/restored/disk.img";
  const restore = ["restore", ...volumes("thin", "golden", "restored"), overlay, target];
  const withRestored = [...sources, { name: "restored" }];
  expect(await runEngine(here, "restore", restore, withRestored)).toMatchObject({
    type: "restored",
  });

  const all = [...names, "restored"];
  const sums = await inPod(here, "sums", {
    script: `sha256sum ${all.map((name) => `/volumes/${name}/disk.img`).join(" ")}`,
    claims: all.map((name) => ({ name, readOnly: true })),
  });
  const [golden, root] = [await checksum(images.golden), await checksum(images.root)];
  expect(sums.match(/^[0-9a-f]{64}/gm)).toEqual([golden, root, root]);
});
