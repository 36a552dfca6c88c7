/** Our own nodes: what tests reach beyond the API. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import { adminClient, namespace } from "../cluster/cluster.ts";
import { eventually } from "../cluster/eventually.ts";
import { jobWith, podOf } from "../cluster/jobs.ts";
import { loadBusybox } from "../node/images.ts";
import { drain, node, nodes, ownNodes, uncordon } from "../node/cluster.ts";
import { isReady } from "../node/nodes.ts";
import { endOf, podManifest, restrictedJob, running } from "../node/pods.ts";
import { blockVolume, folderVolume } from "../node/volumes.ts";

const admin = adminClient();

describe.runIf(ownNodes)("on our own nodes", () => {
  beforeAll(async () => loadBusybox());

  test.each(["ext4", "xfs", "folder"] as const)(
    "a Job uses claims of file systems (%s) and of devices, whose contents are seen outside",
    async (filesystem) => {
      const space = await namespace(admin);
      const here = { namespace: space, nodes: [node(1)] };
      const bytes = 512 * 2 ** 20;
      const output = await folderVolume(admin, { ...here, name: "out", filesystem, bytes });
      const input = await folderVolume(admin, { ...here, name: "in" });
      const disk = await blockVolume(admin, { ...here, name: "disk" });
      writeFileSync(join(input, "given"), "from outside");
      const script = `
        ! touch /volumes/in/new
        cat /volumes/in/given > /volumes/out/copy
        stat -c %u /volumes/out/copy
        cat /volumes/in/given | dd of=/volumes/disk conv=fsync`;

      const job = await admin.create(
        restrictedJob(space, "copies", {
          script,
          claims: [
            { name: "out" },
            { name: "in", readOnly: true },
            { name: "disk", mode: "Block" },
          ],
        }),
      );
      await jobWith(admin, job, "Complete");

      expect(readFileSync(join(output, "copy"), "utf8")).toBe("from outside");
      expect(readFileSync(disk).subarray(0, 13).toString()).toBe("from outside\0");
      expect((await podOf(admin, job)).spec?.nodeName).toBe("node-1");
    },
  );

  test("both nodes see one file system, and pods on them each other", async () => {
    const space = await namespace(admin);
    const shared = { namespace: space, name: "shared", nodes: nodes(), filesystem: "xfs" } as const;
    const folder = await folderVolume(admin, {
      ...shared,
      accessModes: ["ReadWriteMany"],
      bytes: 512 * 2 ** 20,
    });
    const claims = [{ name: "shared" }];
    const serve =
      "mkdir /volumes/shared/www; echo hello > /volumes/shared/www/said; exec httpd -f -p 8080 -h /volumes/shared/www";
    const serving = await running(
      admin,
      await admin.create(podManifest(space, "serves", { script: serve, claims, node: "node-1" })),
    );

    const url = `http://${serving.status?.podIP}:8080/said`;
    // It runs a little before it listens.
    const script = `until wget -q -O /volumes/shared/heard ${url}; do sleep 0.1; done`;
    const job = await admin.create(
      restrictedJob(space, "asks", { script, claims, node: "node-2" }),
    );
    await jobWith(admin, job, "Complete");

    expect(readFileSync(join(folder, "heard"), "utf8")).toBe("hello\n");
  });

  test("a Block claim can be opened by none but root, where the runtime is so set up", async () => {
    const space = await namespace(admin);
    const strict = node(2);
    await blockVolume(admin, { namespace: space, name: "disk", nodes: [strict] });
    onTestFinished(async () => strict.setRuntime({ deviceOwnership: true }));
    await strict.setRuntime({ deviceOwnership: false });

    const claims = [{ name: "disk", mode: "Block" }] as const;
    const script = "head -c 1 /volumes/disk 2> /dev/termination-log";
    const job = await admin.create(restrictedJob(space, "reads", { script, claims }));
    await jobWith(admin, job, "Failed");

    expect(endOf(await podOf(admin, job))?.message).toContain("Permission denied");
  });

  test.each(["TERM", "KILL"] as const)(
    "a pod goes on while the kubelet is away after %s, and its end is told afterwards",
    async (signal) => {
      const space = await namespace(admin);
      const folder = await folderVolume(admin, {
        namespace: space,
        name: "sign",
        nodes: [node(1)],
      });
      const claims = [{ name: "sign" }];
      const script = `
        until [ -e /volumes/sign/end ]; do sleep 0.1; done
        touch /volumes/sign/ended`;
      const job = await admin.create(restrictedJob(space, "goes-on", { script, claims }));
      await running(admin, await podOf(admin, job));

      await node(1).stop("kubelet", signal);
      onTestFinished(() => node(1).ensure("kubelet"));
      writeFileSync(join(folder, "end"), "");
      await eventually(() => existsSync(join(folder, "ended")));
      expect((await admin.get<Job>(job)).status).toMatchObject({ active: 1 });
      node(1).start("kubelet");

      await jobWith(admin, job, "Complete");
      await eventually(async () => isReady(admin, "node-1"));
    },
  );

  test("a node that is drained has its pods evicted, and takes no more", async () => {
    const space = await namespace(admin);
    const script = "sleep 1000";
    const options = { script, node: "node-2" };
    const pod = await running(admin, await admin.create(podManifest(space, "moves", options)));

    onTestFinished(async () => uncordon("node-2"));
    await drain("node-2");

    expect(await admin.find(pod)).toBeUndefined();
    const late = await admin.create(podManifest(space, "late", options));
    await eventually(async () => {
      const { status } = await admin.get<Pod>(late);
      const condition = status?.conditions?.find(({ type }) => type === "PodScheduled");
      expect(condition).toMatchObject({ status: "False", reason: "Unschedulable" });
      return true;
    });
  });

  test("what is mounted in a node is not mounted outside, but can be reached", async () => {
    const folder = join(node(1).description.folder, "mounted");
    mkdirSync(folder);
    await node(1).run("mount", "--no-mtab", "-t", "tmpfs", "tmpfs", folder);
    onTestFinished(async () => void (await node(1).run("umount", "--no-mtab", folder)));

    writeFileSync(join(node(1).path(folder), "file"), "");

    expect(existsSync(join(folder, "file"))).toBe(false);
    expect(await node(1).run("ls", folder)).toBe("file\n");
    expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(folder);
  });
});
