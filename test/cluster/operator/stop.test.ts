/** A controller that is asked to end. */
import { expect, test } from "vitest";
import { adminClient } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import { credentials, kubeconfigOf } from "./account.ts";
import { LeaseOnServer } from "./leases.ts";
import { startReady } from "./process.ts";
import { startProxy } from "./proxy.ts";
import { stage } from "./stage.ts";

const admin = adminClient();

/** What Kubernetes gives a pod before it is killed. */
const GRACE_SECONDS = 30;

test("in the middle of a reconciliation: that is finished, told, and the lease given back", async () => {
  const here = await stage(admin);
  const lease = new LeaseOnServer(admin, here.space);
  const proxy = await startProxy();
  const held = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  proxy.rule = async ({ method, path }, forward) => {
    if (method === "POST" && path.endsWith("/jobs")) {
      held.resolve();
      await release.promise;
    }
    return forward();
  };
  const controller = await startReady({
    kubeconfig: kubeconfigOf(await credentials(admin), proxy.url),
    namespaces: [here.space],
    lease: lease.name,
    flags: ["--identity", "one"],
  });
  await eventually(async () => (await lease.holder()) === "one");
  await here.imageDiff();
  await held.promise;

  const ending = controller.stop();
  await eventually(() => controller.said("stops").length === 1);
  // Not before the last of the work is done.
  expect(await lease.holder()).toBe("one");
  release.resolve();
  const end = await ending;
  expect(end).toMatchObject({ code: 0, signal: null });
  expect(end.seconds).toBeLessThan(10);
  expect(await lease.holder()).toBe("");
  expect(await here.jobs()).toHaveLength(1);
  expect((await here.get()).status).toMatchObject({ phase: "Pending" });
  expect((await here.events()).map(({ reason }) => reason)).toEqual(["JobCreated"]);
});

test("while the API server does not answer: within the grace of a pod", async () => {
  const here = await stage(admin);
  const lease = new LeaseOnServer(admin, here.space);
  const proxy = await startProxy();
  const asked = Promise.withResolvers<void>();
  proxy.rule = async ({ write, lease: isLease }, forward) => {
    if (!write || isLease) return forward();
    // From the first write on, there is no answer to anything.
    proxy.rule = async () => new Promise(() => undefined);
    asked.resolve();
    return new Promise(() => undefined);
  };
  const controller = await startReady({
    kubeconfig: kubeconfigOf(await credentials(admin), proxy.url),
    namespaces: [here.space],
    lease: lease.name,
  });
  await eventually(
    async () => (await controller.leads()) && (await controller.probe("/readyz")) === 200,
  );
  await here.imageDiff();
  await asked.promise;
  const end = await controller.stop();
  expect(end).toMatchObject({ code: 0, signal: null });
  expect(end.seconds).toBeLessThan(GRACE_SECONDS);
});
