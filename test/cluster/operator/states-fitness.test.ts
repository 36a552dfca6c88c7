/** Claims and what they are fit for: devices, outputs, and one claim for several images. */
import { expect, test } from "vitest";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { adminClient } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import { result, succeeds } from "./engine.ts";
import {
  expectFailed,
  expectGoesOn,
  expectWaiting,
  placed,
  volumeOf,
  waitingPod,
} from "./states.ts";
import { world } from "./world.ts";

const admin = adminClient();

function engineOf({ spec }: Pod) {
  const [engine] = spec?.containers ?? [];
  if (engine === undefined) throw new Error("the pod has no container");
  return engine;
}

test("a Block claim: the engine gets the device, read-only, and a path there is told to be nothing", async () => {
  const here = await world(admin);
  await here.claim("golden", { mode: "Block" });
  await Promise.all([here.claim("root"), here.claim("thin")]);
  await here.imageDiff("web-01", { base: { claimName: "golden", path: "images/golden.img" } });
  const pod = await waitingPod(here);
  const { args = [], volumeDevices, volumeMounts = [] } = engineOf(pod);
  expect(args.slice(args.indexOf("-b"), args.indexOf("-b") + 2)).toEqual(["-b", "/volumes/golden"]);
  expect(args).toContain("--backing-file=../golden");
  expect(volumeDevices).toEqual([{ name: "base", devicePath: "/volumes/golden" }]);
  expect(volumeMounts.map(({ mountPath }) => mountPath)).not.toContain("/volumes/golden");
  expect(pod.spec?.volumes).toContainEqual({
    name: "base",
    persistentVolumeClaim: { claimName: "golden", readOnly: true },
  });
  await expectGoesOn(here);
  await eventually(async () => {
    const told = (await here.events()).find(({ reason }) => reason === "PathIgnored");
    expect(told).toMatchObject({ type: "Warning" });
    expect(told?.note).toContain("spec.base.path images/golden.img is ignored: golden is a Block");
    return true;
  });
});

test("an output that is for readers only: until there is one that can be written to", async () => {
  const here = await world(admin);
  await Promise.all([here.claim("golden"), here.claim("root")]);
  await here.claim("thin", { accessModes: ["ReadOnlyMany"] });
  await here.imageDiff();
  await expectWaiting(here, "OutputReadOnly", [
    "The output's claim thin has only the access mode ReadOnlyMany",
    "make another ImageDiff whose output can be written to",
  ]);
  expect(await here.jobs()).toEqual([]);
  await here.remove("persistentvolumeclaims", "thin");
  await expectWaiting(here, "ClaimMissing", ["The output's claim thin"]);
  await admin.delete(volumeOf(here, "thin"));
  await eventually(async () => (await admin.find(volumeOf(here, "thin"))) === undefined);
  await here.claim("thin");
  await expectGoesOn(here);
});

test("an output whose volume is mounted read-only: until it no longer is", async () => {
  const here = await world(admin);
  await Promise.all([here.claim("golden"), here.claim("thin")]);
  await admin.patch(volumeOf(here, "thin"), { spec: { mountOptions: ["ro"] } });
  await here.imageDiff();
  const readOnly = `The output's claim thin has a read-only volume, ${here.space}-thin`;
  // Of a change that nothing waits for the operator may hear a moment late.
  await expectWaiting(here, "ClaimMissing", ["root", readOnly]);
  await here.claim("root");
  await expectWaiting(here, "OutputReadOnly", [readOnly]);
  await admin.patch(volumeOf(here, "thin"), { spec: { mountOptions: null } });
  await expectGoesOn(here);
});

test("an output that an Estimate has found too small: until it has grown", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff("guess", { mode: "Estimate", output: {} });
  const estimate = result(null);
  await succeeds(await placed(here, "guess"), {
    ...estimate,
    output: { ...estimate.output, fileSizeBytes: 2 ** 31 },
  });
  await here.ready("Estimated", "guess");
  await here.imageDiff();
  await expectWaiting(here, "OutputTooSmall", [
    "The output's claim thin has 1 GiB",
    "the overlay needs 2 GiB",
    "ImageDiff guess has estimated it",
    "expand the claim",
  ]);
  expect(await here.jobs()).toHaveLength(1);
  const thin = `/api/v1/namespaces/${here.space}/persistentvolumeclaims/thin`;
  const capacity = { capacity: { storage: "3Gi" } };
  // As whoever resizes the volume reports it.
  await admin.patch(volumeOf(here, "thin"), { spec: capacity });
  await admin.patch(thin, { status: capacity }, { subresource: "status" });
  await expectGoesOn(here);
});

test("an output that is a device: never", async () => {
  const here = await world(admin);
  await Promise.all([here.claim("golden"), here.claim("root")]);
  await here.claim("thin", { mode: "Block" });
  await here.imageDiff();
  await expectFailed(here, "OutputNotWritable", [
    "thin is a Block claim, and an overlay is a file",
    "name a Filesystem claim",
  ]);
  expect(await here.jobs()).toEqual([]);
});

test("one device as both images: never, whatever their paths are", async () => {
  const here = await world(admin);
  await here.claim("golden", { mode: "Block" });
  await here.claim("thin");
  await here.imageDiff("web-01", { modified: { claimName: "golden", path: "root.img" } });
  await expectFailed(here, "SameImage", ["the Block claim golden is one device", "spec.base"]);
  expect(await here.jobs()).toEqual([]);
});

test("one claim for all images is mounted once, and can be written to", async () => {
  const here = await world(admin);
  await here.claim("disks");
  await here.imageDiff("web-01", {
    base: { claimName: "disks", path: "golden.img" },
    modified: { claimName: "disks", path: "root.img" },
    output: { claimName: "disks", path: "thin/web-01.qcow2" },
  });
  const pod = await waitingPod(here);
  const claims = (pod.spec?.volumes ?? []).flatMap((volume) => volume.persistentVolumeClaim ?? []);
  expect(claims).toEqual([{ claimName: "disks" }]);
  const { volumeMounts = [], args = [] } = engineOf(pod);
  const mounts = volumeMounts.filter(({ mountPath }) => mountPath.startsWith("/volumes"));
  expect(mounts).toEqual([{ name: "base", mountPath: "/volumes/disks" }]);
  expect(args).toContain("--backing-file=../../disks/golden.img");
  const { output } = await expectGoesOn(here);
  expect(output).toMatchObject({ claimName: "disks", path: "thin/web-01.qcow2" });
});
