/** What `src/kube` takes an API server for, asked of a real one. */
import { KubeConfig } from "@kubernetes/client-node";
import type { ConfigMap } from "kubernetes-types/core/v1.d.ts";
import type { Event } from "kubernetes-types/events/v1.d.ts";
import type { Lease } from "kubernetes-types/coordination/v1.d.ts";
import { expect, onTestFinished, test } from "vitest";
import {
  ApiError,
  isAlreadyExists,
  isConflict,
  isForbidden,
  isGone,
  isNotFound,
} from "../../src/kube/api-error.ts";
import { Client } from "../../src/kube/client.ts";
import { connect } from "../../src/kube/connection.ts";
import { Election } from "../../src/kube/election.ts";
import { EventRecorder } from "../../src/kube/events.ts";
import { Reflector } from "../../src/kube/reflector.ts";
import { keyText, type ResourceType } from "../../src/kube/resource-type.ts";
import { compareVersions } from "../../src/kube/resource-version.ts";
import { Store } from "../../src/kube/store.ts";
import { testFolder } from "../support/folder.ts";
import { adminClient, cluster, namespace, serviceAccount } from "./cluster.ts";
import { startControlPlane, type Access } from "./control-plane.ts";
import { eventually } from "./eventually.ts";
import { startWire } from "./operator/wire.ts";

const admin = adminClient();

const ConfigMaps: ResourceType<ConfigMap> = {
  apiVersion: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  namespaced: true,
};

/** A client of our own until the test ends. */
function clientOf({ server, caPem, adminToken }: Access, url = server, token = adminToken): Client {
  const config = new KubeConfig();
  const caData = Buffer.from(caPem).toString("base64");
  config.loadFromClusterAndUser(
    { name: "test", server: url, caData, skipTLSVerify: false },
    { name: "test", token },
  );
  const connection = connect(config);
  onTestFinished(async () => connection.close());
  return new Client(connection);
}

function configMap(space: string, name: string, value = ""): ConfigMap {
  return {
    ...{ apiVersion: "v1", kind: "ConfigMap" },
    metadata: { namespace: space, name },
    data: { value },
  };
}

/** Does so many things, a few at a time. */
async function many(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work((next += 1) - 1);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

test("a life over TLS, and what the server says no to", async () => {
  const space = await namespace(admin);
  const client = clientOf(cluster());
  const key = { namespace: space, name: "a" };
  const created = await client.create(ConfigMaps, configMap(space, "a", "1"));
  const replaced = await client.replace(ConfigMaps, { ...created, data: { value: "2" } });
  expect((await client.mergePatch(ConfigMaps, key, { data: { more: "3" } })).data).toEqual({
    value: "2",
    more: "3",
  });

  await expect(client.create(ConfigMaps, configMap(space, "a"))).rejects.toSatisfy(isAlreadyExists);
  await expect(client.replace(ConfigMaps, created)).rejects.toSatisfy(isConflict);
  const another = { uid: "00000000-0000-0000-0000-000000000000" };
  await expect(client.delete(ConfigMaps, key, another)).rejects.toSatisfy(isConflict);
  const invalid: unknown = await client
    .create(ConfigMaps, configMap(space, "A B"))
    .catch((error: unknown) => error);
  expect(invalid).toMatchObject({
    status: 422,
    reason: "Invalid",
    causes: [{ field: "metadata.name" }],
  });
  const nobody = clientOf(
    cluster(),
    cluster().server,
    await serviceAccount(admin, space, "nobody"),
  );
  await expect(nobody.list(ConfigMaps, { namespace: space })).rejects.toSatisfy(isForbidden);

  await client.delete(ConfigMaps, key, {
    uid: replaced.metadata?.uid ?? "",
    propagationPolicy: "Foreground",
  });
  const gone: unknown = await eventually(async () =>
    client.get(ConfigMaps, key).then(
      () => undefined,
      (error: unknown) => error,
    ),
  );
  expect(gone).toSatisfy(isNotFound);
  expect((gone as ApiError).message).toBe(
    `Cannot get ConfigMap ${space}/a: configmaps "a" not found (404 NotFound).`,
  );
});

test("a hundred requests and three watches need one or two connections", async () => {
  const space = await namespace(admin);
  const wire = await startWire();
  const client = clientOf(cluster(), wire.url);
  await client.create(ConfigMaps, configMap(space, "a"));
  for (let i = 0; i < 100; i += 1) await client.get(ConfigMaps, { namespace: space, name: "a" });
  const { resourceVersion } = await client.list(ConfigMaps, { namespace: space });
  const { signal } = new AbortController();
  for (let i = 0; i < 3; i += 1) {
    const options = { namespace: space, resourceVersion, timeoutSeconds: 1, signal };
    for await (const { type } of client.watch(ConfigMaps, options)) expect(type).toBe("BOOKMARK");
  }
  expect(wire.connections).toBeLessThanOrEqual(2);
});

test("a watch says how far it has come before the server ends it, however quiet it was", async () => {
  const space = await namespace(admin);
  const client = clientOf(cluster());
  const { resourceVersion } = await client.list(ConfigMaps, { namespace: space });
  const { signal } = new AbortController();
  const selection = { namespace: space, fieldSelector: "metadata.name=here" };
  const seen: string[] = [];
  let version = "";
  const follow = async (): Promise<void> => {
    const options = { ...selection, resourceVersion, timeoutSeconds: 6, signal };
    for await (const { type, object } of client.watch(ConfigMaps, options)) {
      seen.push(type);
      version = object.metadata?.resourceVersion ?? "";
    }
  };
  const ended = follow();
  await client.create(ConfigMaps, configMap(space, "here"));
  await eventually(() => seen.length > 0);
  // Elsewhere, the world goes on.
  const elsewhere = await client.create(ConfigMaps, configMap(space, "elsewhere"));
  await ended;
  expect(seen[0]).toBe("ADDED");
  expect(new Set(seen.slice(1))).toEqual(new Set(["BOOKMARK"]));
  expect(
    compareVersions(version, elsewhere.metadata?.resourceVersion ?? ""),
  ).toBeGreaterThanOrEqual(0);
});

test("a list of three pages is whole", async () => {
  const space = await namespace(admin);
  const client = clientOf(cluster());
  await many(1100, async (i) => client.create(ConfigMaps, configMap(space, `c-${i}`)));
  const { items } = await client.list(ConfigMaps, {
    namespace: space,
    fieldSelector: "metadata.name!=kube-root-ca.crt",
  });
  const names = items.map(({ metadata }) => metadata?.name);
  expect(new Set(names)).toEqual(new Set(Array.from({ length: 1100 }, (_, i) => `c-${i}`)));
  expect(names.length).toBe(1100);
  expect(items[0]).toMatchObject({ apiVersion: "v1", kind: "ConfigMap" });
});

test("a store goes through restarts of the API server and is true after each", async () => {
  const plane = await startControlPlane(testFolder());
  onTestFinished(async () => plane.stop());
  const client = clientOf(plane);
  const store = new Store<ConfigMap>();
  const told = new Map<string, ConfigMap>();
  let lists = 0;
  const reflector = new Reflector({
    client,
    type: ConfigMaps,
    store,
    namespace: "default",
    onChange: ({ before, after }) => {
      const { metadata } = after ?? before ?? {};
      if (after === undefined) told.delete(metadata?.name ?? "");
      else told.set(metadata?.name ?? "", after);
    },
    hooks: { relisted: () => (lists += 1) },
  });
  const stop = new AbortController();
  const ended = reflector.run(stop.signal);
  await reflector.whenSynced;
  const { resourceVersion } = await client.list(ConfigMaps, { namespace: "default" });
  const names = ["a", "b", "c", "d", "e"];
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    await many(5, async (i) =>
      client.create(ConfigMaps, configMap("default", names[i] ?? "", signal)),
    );
    await eventually(() => store.size >= 6);
    await plane.restartApiServer(signal);
    // While nobody follows: changed, deleted, made again.
    await client.mergePatch(
      ConfigMaps,
      { namespace: "default", name: "a" },
      { data: { value: "new" } },
    );
    for (const name of ["b", "c", "d", "e"])
      await client.delete(ConfigMaps, { namespace: "default", name });
    await client.create(ConfigMaps, configMap("default", "b", "another"));
    await eventually(async () => {
      const { items } = await client.list(ConfigMaps, { namespace: "default" });
      const truth = Object.fromEntries(
        items.map((item) => [
          keyText(item.metadata as { name: string }),
          item.metadata?.resourceVersion,
        ]),
      );
      const held = Object.fromEntries(
        [...store.all()].map((item) => [
          keyText(item.metadata as { name: string }),
          item.metadata?.resourceVersion,
        ]),
      );
      expect(held).toEqual(truth);
      return true;
    });
    expect([...told.values()].toSorted(byName)).toEqual([...store.all()].toSorted(byName));
    for (const name of ["a", "b"]) await client.delete(ConfigMaps, { namespace: "default", name });
    await eventually(() => store.size === 1);
  }
  // A new API server may not know the past: one list each, and no more.
  expect(lists).toBeLessThanOrEqual(3);
  const { signal } = stop;
  const tooOld = client.watch(ConfigMaps, {
    namespace: "default",
    resourceVersion,
    timeoutSeconds: 5,
    signal,
  });
  await expect(Array.fromAsync(tooOld)).rejects.toSatisfy(isGone);
  stop.abort();
  await ended;
});

function byName(a: ConfigMap, b: ConfigMap): number {
  return String(a.metadata?.name) < String(b.metadata?.name) ? -1 : 1;
}

test("of two one leads, and hands over when it ends", async () => {
  const space = await namespace(admin);
  const running: string[] = [];
  const candidates = ["a", "b"].map((identity) => {
    const stop = new AbortController();
    const election = new Election({
      client: clientOf(cluster()),
      namespace: space,
      name: "leader",
      identity,
      ...{ leaseSeconds: 5, renewSeconds: 3, retrySeconds: 1 },
    });
    const ended = election.run(async (signal) => {
      running.push(identity);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      running.splice(running.indexOf(identity), 1);
    }, stop.signal);
    onTestFinished(async () => {
      stop.abort();
      await ended;
    });
    return { identity, stop, ended, election };
  });
  const leader = await eventually(() => candidates.find(({ election }) => election.leading));
  const path = `/apis/coordination.k8s.io/v1/namespaces/${space}/leases/leader`;
  const first = await admin.get<Lease>(path);
  expect(first.spec?.holderIdentity).toMatch(new RegExp(`^${leader.identity}_`));
  await eventually(async () => {
    const { spec } = await admin.get<Lease>(path);
    return (
      spec?.renewTime !== first.spec?.renewTime && spec?.acquireTime === first.spec?.acquireTime
    );
  });
  expect(running).toEqual([leader.identity]);

  leader.stop.abort();
  await leader.ended;
  const next = await eventually(() => candidates.find(({ election }) => election.leading));
  expect(next.identity).not.toBe(leader.identity);
  expect(running).toEqual([next.identity]);
  expect((await admin.get<Lease>(path)).spec).toMatchObject({
    leaseTransitions: 1,
    leaseDurationSeconds: 5,
  });

  next.stop.abort();
  await next.ended;
  expect((await admin.get<Lease>(path)).spec).toMatchObject({
    holderIdentity: "",
    leaseDurationSeconds: 1,
  });
});

test("what repeats is one event with a count, by both of the API's names", async () => {
  const space = await namespace(admin);
  const client = clientOf(cluster());
  const { metadata } = await client.create(ConfigMaps, configMap(space, "a"));
  const recorder = new EventRecorder({
    client,
    controller: "imagediff.io/controller",
    instance: "pod-1",
  });
  const regarding = {
    apiVersion: "v1",
    kind: "ConfigMap",
    namespace: space,
    name: "a",
    uid: metadata?.uid ?? "",
  };
  const happening = {
    type: "Warning",
    reason: "JobFailed",
    action: "RunJob",
    message: "ä".repeat(600),
  } as const;
  recorder.record(regarding, happening);
  await recorder.flush();
  for (let i = 0; i < 4; i += 1) recorder.record(regarding, happening);
  await recorder.flush();
  const events = await admin.list<Event>(`/apis/events.k8s.io/v1/namespaces/${space}/events`);
  expect(events).toMatchObject([
    {
      regarding,
      type: "Warning",
      reason: "JobFailed",
      action: "RunJob",
      reportingController: "imagediff.io/controller",
      reportingInstance: "pod-1",
      series: { count: 5 },
    },
  ]);
  // As kubectl reads them.
  const selector = { fieldSelector: `involvedObject.uid=${regarding.uid}` };
  const old = await admin.list<object>(`/api/v1/namespaces/${space}/events`, selector);
  expect(old).toMatchObject([{ reason: "JobFailed", series: { count: 5 }, source: {} }]);

  // It expires; what comes then is a new one.
  await admin.delete(
    `/apis/events.k8s.io/v1/namespaces/${space}/events/${events[0]?.metadata?.name}`,
  );
  recorder.record(regarding, happening);
  await recorder.flush();
  const [anew] = await admin.list<Event>(`/apis/events.k8s.io/v1/namespaces/${space}/events`);
  expect(anew).toMatchObject({ series: { count: 6 } });
});
