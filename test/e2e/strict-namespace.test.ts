/** A namespace as administrators close it: Pod Security, network, quota and limits. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { LimitRange, ResourceQuota } from "kubernetes-types/core/v1.d.ts";
import type { NetworkPolicy } from "kubernetes-types/networking/v1.d.ts";
import { adminClient } from "../cluster/cluster.ts";
import { eventually } from "../cluster/eventually.ts";
import { ownNodes } from "../node/cluster.ts";
import { testFolder } from "../support/folder.ts";
import { edit, makeRaw } from "../support/raw-image.ts";
import { expectOverlay, expectWaiting } from "./expectations.ts";
import { product } from "./product.ts";
import { patience, scene, type Scene } from "./scene.ts";

const admin = adminClient();
product();

const MiB = 2 ** 20;
const base = { claim: "golden", path: "disk.img" };
const modified = { claim: "root", path: "disk.img" };
const overlay = { claim: "thin", path: "web-01.qcow2" };

/** With a quota that counts what is requested and the limits: every container must say both. */
async function closedNamespace(hard: Record<string, string>): Promise<Scene> {
  const levels = ["enforce", "warn", "audit"].map((mode) => [
    `pod-security.kubernetes.io/${mode}`,
    "restricted",
  ]);
  const here = await scene(admin, Object.fromEntries(levels));
  const metadata = (name: string) => ({ name, namespace: here.space });
  await admin.create<NetworkPolicy>({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: metadata("default-deny"),
    spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
  });
  await admin.create<LimitRange>({
    apiVersion: "v1",
    kind: "LimitRange",
    metadata: metadata("containers"),
    spec: {
      limits: [
        {
          type: "Container",
          defaultRequest: { cpu: "10m", memory: "32Mi" },
          default: { cpu: "100m", memory: "64Mi" },
          min: { cpu: "10m", memory: "16Mi" },
          max: { cpu: "2", memory: "1Gi" },
        },
      ],
    },
  });
  const quota: ResourceQuota = {
    apiVersion: "v1",
    kind: "ResourceQuota",
    metadata: metadata("team"),
    spec: { hard },
  };
  await admin.create(quota);
  // It counts from the moment on at which it was first looked at.
  await eventually(
    async () => (await admin.get<ResourceQuota>(quota)).status?.hard?.["limits.cpu"],
    patience,
  );
  return here;
}

const roomy = {
  ...{ "requests.cpu": "500m", "requests.memory": "512Mi" },
  ...{ "limits.cpu": "2", "limits.memory": "1Gi" },
};

/** Two full disks, of which so many bytes differ. */
async function fullDisks(here: Scene, size: number, different: number): Promise<void> {
  for (const name of ["golden", "root", "thin"]) await here.folder(name);
  const image = join(testFolder(), "disk.img");
  makeRaw(image, size, [{ start: 0, length: size, fill: "noise", seed: 40 }]);
  await here.put(image, base);
  edit(image, size, [{ start: size - different, length: different, fill: "noise", seed: 41 }]);
  await here.put(image, modified);
}

describe.runIf(ownNodes)("on our own nodes", () => {
  test("the work is done, and its progress is told, where everything is closed", async () => {
    const here = await closedNamespace(roomy);
    await fullDisks(here, 128 * MiB, 96 * MiB);

    // To compress so much takes seconds of a whole CPU.
    await here.imageDiff("web-01", {
      output: { claimName: "thin", compression: "Zlib" },
      job: { resources: { limits: { cpu: "200m" } } },
    });
    const percents = new Set<number>();
    const { status } = await eventually(async () => {
      const now = await here.get();
      const { phase, progress } = now.status ?? {};
      if (phase === "Comparing" && progress !== undefined) percents.add(progress.percent);
      return now.status?.completionTime !== undefined && now;
    }, patience);

    expect(status?.changes).toEqual({
      ...{ dataBytes: 96 * MiB, zeroBytes: 0, identicalBytes: 32 * MiB },
    });
    const underWay = [...percents].filter((percent) => percent >= 1 && percent <= 99);
    expect(underWay, "percents that were told").not.toEqual([]);
    expect(underWay).toEqual(underWay.toSorted((a, b) => a - b));
    await here.ready();
    await expectOverlay(here, { base, modified, overlay });
  });

  test("a quota without room for the engine: told, and once it is raised the work is done", async () => {
    const here = await closedNamespace({ ...roomy, "limits.cpu": "1" });
    await fullDisks(here, 16 * MiB, MiB);

    await here.imageDiff();
    await expectWaiting(here, "QuotaExceeded", [
      "exceeded quota: team",
      "requested: limits.cpu=2",
      "limited: limits.cpu=1",
    ]);
    await admin.patch(`/api/v1/namespaces/${here.space}/resourcequotas/team`, {
      spec: { hard: roomy },
    });

    await here.ready();
    await expectOverlay(here, { base, modified, overlay });
  });
});
