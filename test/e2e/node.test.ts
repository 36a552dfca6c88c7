/** The cluster itself: what the tests of the product rely on. */
import { beforeAll, describe, expect, test } from "vitest";
import { adminClient, namespace } from "../cluster/cluster.ts";
import { jobWith, podOf } from "../cluster/jobs.ts";
import { loadBusybox } from "../node/busybox.ts";
import { restrictedJob } from "../node/pods.ts";

const restricted = { "pod-security.kubernetes.io/enforce": "restricted" };
const admin = adminClient();

beforeAll(loadBusybox);

describe("a Job in a restricted namespace", () => {
  test("completes; its log and its last words are read through the API", async () => {
    const space = await namespace(admin, restricted);
    const script = "id -u; echo said; printf result > /dev/termination-log";

    const job = await admin.create(restrictedJob(space, "says", { script }));
    await jobWith(admin, job, "Complete");

    const pod = await podOf(admin, job);
    const state = pod.status?.containerStatuses?.[0]?.state?.terminated;
    expect(state).toMatchObject({ exitCode: 0, message: "result", reason: "Completed" });
    const { name, namespace: of } = pod.metadata ?? {};
    expect(await admin.text(`/api/v1/namespaces/${of}/pods/${name}/log`)).toBe("107\nsaid\n");
  });
});
