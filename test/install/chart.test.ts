/** The chart's objects: a real API server takes them, and every value does what it says. */
import { readFileSync } from "node:fs";
import { Command, type Option } from "commander";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { parse } from "yaml";
import type { Deployment } from "kubernetes-types/apps/v1.d.ts";
import type { Container, Pod } from "kubernetes-types/core/v1.d.ts";
import { projectFile } from "../../scripts/docs.ts";
import { addController } from "../../src/cli/controller.ts";
import type { KubeObject } from "../cluster/client.ts";
import { adminClient, namespace } from "../cluster/cluster.ts";
import { applyManifests } from "../cluster/manifests.ts";
import { chart, mustHelm, render, the } from "./helm.ts";
import { prometheusDefinitions } from "./prometheus.ts";

interface Values {
  namespaces?: string[];
  leaderElection?: { leaseNamespace?: string };
  [name: string]: unknown;
}

const valueFiles = ["default", "namespaced", "monitoring", "everything"];

function valuesOf(name: string): Values {
  if (name === "default") return {};
  return parse(readFileSync(projectFile(`test/install/values/${name}.yaml`), "utf8")) as Values;
}

const admin = adminClient();

beforeAll(async () => applyManifests(admin, await prometheusDefinitions()));

test.each(valueFiles)("helm lint has nothing to say about %s values", async (name) => {
  const files =
    name === "default" ? [] : ["--values", projectFile(`test/install/values/${name}.yaml`)];
  expect(await mustHelm(["lint", "--strict", chart, ...files])).toMatch(/0 chart\(s\) failed/);
});

test.each(valueFiles)("a real API server takes the objects of %s values", async (name) => {
  const space = await namespace(admin);
  const values = valuesOf(name);
  // Those that are there, instead of those that are named.
  if (values.namespaces !== undefined) {
    values.namespaces = await Promise.all(values.namespaces.map(async () => namespace(admin)));
  }
  if (values.leaderElection !== undefined) values.leaderElection.leaseNamespace = space;
  for (const object of await render(values, { namespace: space })) {
    const query = { dryRun: "All", fieldValidation: "Strict" };
    expect(await admin.apply(object, { query })).toMatchObject({ kind: object.kind });
  }
});

test("the controller's pods fit a namespace of the level restricted", async () => {
  const level = "pod-security.kubernetes.io/enforce";
  const space = await namespace(admin, { [level]: "restricted" });
  const { spec } = the(await render({}), "Deployment") as Deployment;
  const pod: Pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "controller", namespace: space },
    // The account is not there: nothing was installed.
    spec: {
      ...spec?.template.spec,
      containers: [containerOf(spec)],
      serviceAccountName: "default",
    },
  };
  const query = { dryRun: "All" };
  expect((await admin.create(pod, { query })).kind).toBe("Pod");

  const lax = { ...containerOf(spec), securityContext: { readOnlyRootFilesystem: true } };
  await expect(
    admin.create({ ...pod, spec: { ...pod.spec, containers: [lax] } }, { query }),
  ).rejects.toThrow("violates PodSecurity");
});

function containerOf(spec: Deployment["spec"]): Container {
  const [container] = spec?.template.spec?.containers ?? [];
  if (container === undefined) throw new Error("the Deployment has no container");
  return container;
}

describe("every flag of imagediff controller is reached by a value", () => {
  const controller = commandOf((command) => command);
  /** For each flag, values and what the controller then makes of the flag. */
  const reached: Record<string, { values: object; flag: unknown }> = {
    "--kubeconfig": {
      values: { kubeconfig: { secretName: "x" } },
      flag: "/etc/imagediff/kubeconfig",
    },
    "--namespaces": { values: { namespaces: ["a", "b"] }, flag: "a,b" },
    "--engine-image": {
      values: { image: { registry: "example.com/x", engine: { tag: "v2" } } },
      flag: "example.com/x/imagediff-engine:v2",
    },
    "--engine-image-pull-policy": { values: { image: { pullPolicy: "Always" } }, flag: "Always" },
    "--engine-requests": {
      values: { engine: { requests: { cpu: 0.5, memory: 1_073_741_824 } } },
      flag: "cpu=0.5,memory=1073741824",
    },
    "--engine-limits": {
      values: { engine: { limits: { cpu: "3", memory: null } } },
      flag: "cpu=3",
    },
    "--max-jobs": { values: { maxJobs: 1_000_000 }, flag: "1000000" },
    "--max-jobs-per-node": { values: { maxJobsPerNode: 3 }, flag: "3" },
    "--concurrency": { values: { concurrency: 64 }, flag: "64" },
    "--listen": { values: { listen: { host: "[::]", port: 9000 } }, flag: "[::]:9000" },
    "--no-leader-elect": {
      values: { replicas: 1, leaderElection: { enabled: false } },
      flag: false,
    },
    "--lease-namespace": {
      values: { leaderElection: { leaseNamespace: "kube-system" } },
      flag: "kube-system",
    },
    "--lease-name": { values: { leaderElection: { leaseName: "other" } }, flag: "other" },
    "--identity": { values: { leaderElection: { identity: "me" } }, flag: "me" },
    "--log-level": { values: { logLevel: "debug" }, flag: "debug" },
  };

  test("and no other flag is in this list", () => {
    const flags = controller.options.map(({ long }) => long);
    expect(new Set(Object.keys(reached))).toEqual(new Set(flags));
  });

  test.each(controller.options)("$long", async (option: Option) => {
    const { values, flag } = reached[option.long ?? ""] ?? { values: {}, flag: undefined };
    const { spec } = the(await render(values), "Deployment") as Deployment;
    for (const { name, value } of containerOf(spec).env ?? []) vi.stubEnv(name, value ?? "");
    const parsed = commandOf((command) => command.parse([], { from: "user" }));
    expect(parsed.opts()[option.attributeName()]).toEqual(flag);
    vi.unstubAllEnvs();
  });

  test("what is not set has the flag's own default", async () => {
    const { spec } = the(await render({}), "Deployment") as Deployment;
    for (const { name, value } of containerOf(spec).env ?? []) vi.stubEnv(name, value ?? "");
    const parsed = commandOf((command) => command.parse([], { from: "user" })).opts();
    vi.unstubAllEnvs();
    const own = commandOf((command) => command.parse([], { from: "user" })).opts();
    const { version } = parse(readFileSync(`${chart}/Chart.yaml`, "utf8")) as { version: string };
    expect(parsed).toEqual({
      ...own,
      engineImage: `imagediff-engine:${version}`,
      engineImagePullPolicy: "IfNotPresent",
      // Kubernetes puts the pod's name there.
      identity: "$(POD_NAME)",
    });
  });

  /** The subcommand, once something was done with it; it never runs. */
  function commandOf(use: (command: Command) => Command): Command {
    const program = new Command();
    addController(program, { voice: { words: () => {} } as never, exit: () => {} });
    const [command] = program.commands;
    if (command === undefined) throw new Error("there is no such subcommand");
    return use(command.action(() => undefined));
  }
});

test("an object of a release that has another name does not take another's place", async () => {
  const names = async (name: string): Promise<string[]> =>
    (await render({ crds: { install: false } }, { name })).map(nameOf);
  const ours = await names("imagediff");
  expect(new Set(ours).size).toBe(ours.length);
  expect((await names("second")).filter((name) => ours.includes(name))).toEqual([]);
});

function nameOf({ kind, metadata }: KubeObject): string {
  return `${kind} ${metadata?.namespace ?? ""}/${metadata?.name}`;
}

test("where namespaces are named, nothing but the definition is the whole cluster's", async () => {
  const objects = await render({ namespaces: ["a", "b"] });
  const clusterWide = objects.filter(({ metadata }) => metadata?.namespace === undefined);
  expect(clusterWide.map(({ kind }) => kind)).toEqual(["CustomResourceDefinition"]);
  const roles = objects
    .filter(({ kind }) => kind === "Role")
    .map(({ metadata }) => metadata?.namespace);
  expect(roles).toHaveLength(3);
  expect(new Set(roles)).toEqual(new Set(["a", "b", "imagediff-system"]));
});

test("without an election there is one replica, and no second one while it is replaced", async () => {
  const leaderElection = { enabled: false };
  await expect(render({ leaderElection })).rejects.toThrow("set replicas=1");
  const alone = the(await render({ replicas: 1, leaderElection }), "Deployment") as Deployment;
  expect(alone.spec?.strategy).toEqual({ type: "Recreate" });
});

test("engines without any limit have none by default either", async () => {
  const engine = { limits: { cpu: null, memory: null }, requests: { cpu: null, memory: null } };
  const { spec } = the(await render({ engine }), "Deployment") as Deployment;
  const env = containerOf(spec).env?.filter(({ name }) => /ENGINE_(LIMITS|REQUESTS)/.test(name));
  expect(env?.map(({ value }) => value)).toEqual(["", ""]);
});

test("without the value, there is no such object", async () => {
  const off = { enabled: false };
  const kinds = (
    await render({
      crds: { install: false },
      serviceAccount: { create: false, name: "given" },
      rbac: { create: false },
      podDisruptionBudget: off,
      networkPolicy: off,
      metrics: { service: off },
    })
  ).map(({ kind }) => kind);
  expect(kinds).toEqual(["Deployment"]);
});
