/** Any cluster: what the tests of the product rely on. */
import { beforeAll, describe, expect, test } from "vitest";
import { adminClient, namespace, serviceAccount } from "../cluster/cluster.ts";
import { eventually } from "../cluster/eventually.ts";
import { jobWith, podOf } from "../cluster/jobs.ts";
import { kubectlImage, loadBusybox, loadKubectl } from "../node/images.ts";
import { kubectl } from "../node/cluster.ts";
import { endOf, podManifest, restrictedJob, running } from "../node/pods.ts";

const restricted = { "pod-security.kubernetes.io/enforce": "restricted" };
const admin = adminClient();

beforeAll(async () => loadBusybox());

describe("a Job in a restricted namespace", () => {
  test("completes; its log and its last words are read through the API", async () => {
    const space = await namespace(admin, restricted);
    const script = "id -u; echo said; printf result > /dev/termination-log";

    const job = await admin.create(restrictedJob(space, "says", { script }));
    await jobWith(admin, job, "Complete");

    const pod = await podOf(admin, job);
    expect(endOf(pod)).toMatchObject({ exitCode: 0, message: "result", reason: "Completed" });
    const log = `/api/v1/namespaces/${space}/pods/${pod.metadata?.name}/log`;
    expect(await admin.text(log)).toBe("107\nsaid\n");
  });

  test("is killed when it takes more memory than it may", async () => {
    const space = await namespace(admin, restricted);
    // It keeps all of an endless line.
    const script = "exec tail /dev/zero";

    const job = await admin.create(restrictedJob(space, "takes", { script, memory: "16Mi" }));
    await jobWith(admin, job, "Failed");

    expect(endOf(await podOf(admin, job))).toMatchObject({ exitCode: 137, reason: "OOMKilled" });
  });
});

test("a command is run in a container through the API", async () => {
  const space = await namespace(admin, restricted);
  const pod = podManifest(space, "waits", { script: "sleep 1000" });
  await running(admin, await admin.create(pod));

  const said = await kubectl("exec", `--namespace=${space}`, "waits", "--", "id", "-g");

  expect(said).toBe("107\n");
});

test("the API brings requests to a pod", async () => {
  const space = await namespace(admin, restricted);
  const pod = podManifest(space, "serves", { script: "exec httpd -f -p 8080 -h /etc" });
  await running(admin, await admin.create(pod));

  const path = `/api/v1/namespaces/${space}/pods/serves:8080/proxy/hostname`;

  // It runs a little before it listens.
  expect(await eventually(async () => admin.text(path))).toBe("serves\n");
});

test("a pod calls the API at its service's address, as its service account", async () => {
  await loadKubectl();
  const space = await namespace(admin, restricted);
  await serviceAccount(admin, space, "caller");
  const job = restrictedJob(space, "calls", { script: "" });
  const spec = job.spec?.template.spec;
  Object.assign(spec ?? {}, { serviceAccountName: "caller", automountServiceAccountToken: true });
  const who = { image: kubectlImage, command: null, args: ["auth", "whoami", "--output=json"] };
  Object.assign(spec?.containers[0] ?? {}, who);

  await admin.create(job);
  await jobWith(admin, job, "Complete");

  const { name } = (await podOf(admin, job)).metadata ?? {};
  const answer = await admin.text(`/api/v1/namespaces/${space}/pods/${name}/log`);
  expect(JSON.parse(answer)).toMatchObject({
    status: { userInfo: { username: `system:serviceaccount:${space}:caller` } },
  });
});
