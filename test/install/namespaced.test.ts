/** With the permissions for one namespace, the controller does its whole work there. */
import { expect, test } from "vitest";
import { adminClient, namespace } from "../cluster/cluster.ts";
import { AuditTrail } from "../cluster/audit.ts";
import { cluster } from "../cluster/cluster.ts";
import { credentials, kubeconfigOf, requestsOf } from "../cluster/operator/account.ts";
import { result, succeeds } from "../cluster/operator/engine.ts";
import { startReady } from "../cluster/operator/process.ts";
import { stage } from "../cluster/operator/stage.ts";
import { render } from "./helm.ts";

const admin = adminClient();

test("an overlay is made, and nothing is changed outside of the namespaces", async () => {
  const home = await namespace(admin, { "pod-security.kubernetes.io/enforce": "restricted" });
  const here = await stage(admin);
  const values = { namespaces: [here.space], crds: { install: false } };
  for (const object of await render(values, { namespace: home })) await admin.apply(object);
  const account = await credentials(admin, { namespace: home, name: "imagediff-controller" });
  const trail = new AuditTrail(cluster());

  await startReady({
    kubeconfig: kubeconfigOf(account),
    namespaces: [here.space],
    lease: "imagediff",
    flags: ["--lease-namespace", home],
  });
  await here.imageDiff();
  await succeeds(await here.place(), result("/volumes/thin/web-01.qcow2"));
  await here.ready("OverlayReady");
  expect((await here.events()).map(({ reason }) => reason)).toContain("OverlayReady");

  const granted = requestsOf(trail, account).filter(
    ({ responseStatus }) => (responseStatus?.code ?? 0) < 400,
  );
  const places = new Set(granted.map(({ objectRef }) => objectRef?.namespace));
  expect(places).toEqual(new Set([here.space, home]));
});
