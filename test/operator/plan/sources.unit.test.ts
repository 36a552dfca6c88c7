/** Who else uses the images. */
import type { Container, Pod, PodSpec } from "kubernetes-types/core/v1.d.ts";
import { describe, expect, test } from "vitest";
import type { ClaimUser, Observation } from "../../../src/operator/plan/observation.ts";
import { plan } from "../../../src/operator/plan/plan.ts";
import { actions, at, bound, claimsWith, conditions, observed, readyMessage } from "./builders.ts";

interface Use {
  claim?: string;
  readOnly?: boolean;
  containers?: Partial<Container>[];
  spec?: Partial<PodSpec>;
  metadata?: Pod["metadata"];
}

/** A pod that runs and mounts the modified image's claim, for writing. */
function user(name: string, use: Use = {}): ClaimUser {
  const { claim = "web-01-root", readOnly, containers = [{}], spec, metadata } = use;
  const volumes = [
    { name: "v", persistentVolumeClaim: { claimName: claim, ...(readOnly && { readOnly }) } },
  ];
  const mount = { volumeMounts: [{ name: "v", mountPath: "/v" }] };
  const all = containers.map((each, index) => ({ name: `c${index}`, ...mount, ...each }));
  return {
    pod: {
      metadata: { name, ...metadata },
      spec: { containers: all, volumes, nodeName: "node-1", ...spec },
      status: { phase: "Running" },
    },
  };
}

const readingMount = [{ name: "v", mountPath: "/v", readOnly: true }];
const writingMount = [{ name: "v", mountPath: "/v" }];
const device = [{ name: "v", devicePath: "/dev/v" }];
const engine = { imageDiff: "web-02" };
const allowReaders = { "spec.sourceUse": "AllowReadOnly" };

function waits(
  users: ClaimUser[],
  fields: Record<string, unknown> = {},
  rest: Partial<Observation> = {},
) {
  const planned = plan(observed({ users, fields, ...rest }));
  const inUse = actions(planned).length === 0;
  expect(conditions(planned.status)).toContain(
    inUse ? "SourcesIdle=False/SourcesInUse" : "SourcesIdle=True/Idle",
  );
  return inUse;
}

describe("RequireIdle", () => {
  test.each([
    ["writes to modified", user("p"), true],
    ["writes to base", user("p", { claim: "golden" }), true],
    ["only reads", user("p", { readOnly: true }), true],
    ["is ending", user("p", { metadata: { deletionTimestamp: at(0) } }), true],
    ["uses the output", user("p", { claim: "thin-images" }), false],
    ["uses something else", user("p", { claim: "other" }), false],
    ["is another engine", { ...user("p"), engine }, false],
  ])("a pod that %s: %#", (_, pod, expected) => {
    expect(waits([pod])).toBe(expected);
  });
});

describe("AllowReadOnly", () => {
  test.each<[string, ClaimUser, boolean]>([
    ["may write", user("p"), true],
    ["has the claim read-only", user("p", { readOnly: true }), false],
    ["mounts it read-only", user("p", { containers: [{ volumeMounts: readingMount }] }), false],
    [
      "mounts it once for writing",
      user("p", { containers: [{ volumeMounts: readingMount }, { volumeMounts: writingMount }] }),
      true,
    ],
    [
      "has an init container that may write",
      user("p", {
        containers: [{ volumeMounts: readingMount }],
        spec: { initContainers: [{ name: "i", volumeMounts: writingMount }] },
      }),
      true,
    ],
    [
      "has a debugging container that may write",
      user("p", {
        containers: [{ volumeMounts: readingMount }],
        spec: { ephemeralContainers: [{ name: "e", volumeMounts: writingMount }] },
      }),
      true,
    ],
    [
      "has the device",
      user("p", { containers: [{ volumeMounts: readingMount, volumeDevices: device }] }),
      true,
    ],
    [
      "has the device read-only",
      user("p", { readOnly: true, containers: [{ volumeMounts: [], volumeDevices: device }] }),
      false,
    ],
    ["does not say how it uses the claim", user("p", { containers: [{ volumeMounts: [] }] }), true],
    ["is another engine", { ...user("p"), engine }, false],
  ])("a pod that %s: %#", (_, pod, expected) => {
    expect(waits([pod], allowReaders)).toBe(expected);
  });
});

describe("another engine's output", () => {
  const writing = (claimName: string, path: string): ClaimUser => ({
    ...user("p", { claim: claimName }),
    engine: { ...engine, output: { claimName, path } },
  });
  test.each<[string, ClaimUser, boolean]>([
    ["is our base", writing("golden", "disk.img"), true],
    ["is our modified image", writing("web-01-root", "disk.img"), true],
    ["lies beside our base", writing("golden", "other.img"), false],
    ["is of the same name on the output's claim", writing("thin-images", "disk.img"), false],
  ])("that %s", (_, pod, expected) => {
    expect(waits([pod])).toBe(expected);
    expect(waits([pod], allowReaders)).toBe(expected);
  });

  test("is no part of a device", () => {
    const claims = claimsWith(bound("golden", { volumeMode: "Block" }));
    expect(waits([writing("golden", "disk.img")], {}, { claims })).toBe(false);
  });
});

test("a generic ephemeral volume is a claim named after its pod", () => {
  const volumes = [{ name: "root", ephemeral: {} }];
  const pod = { metadata: { name: "web-01" }, spec: { containers: [], volumes } };
  expect(waits([{ pod }])).toBe(true);
});

describe("messages", () => {
  const message = (...users: ClaimUser[]) => readyMessage(plan(observed({ users })));

  test("a virtual machine is named, with how to stop it", () => {
    const metadata = {
      name: "virt-launcher-web-01-x7k2p",
      labels: { "kubevirt.io": "virt-launcher", "vm.kubevirt.io/name": "web-01" },
    };
    expect(message(user("", { metadata }))).toBe(
      'VirtualMachine web-01 is running (pod virt-launcher-web-01-x7k2p) and holds the claim web-01-root: stop it with "virtctl stop web-01".',
    );
  });

  test.each([
    [{ labels: { "kubevirt.io": "virt-launcher", "kubevirt.io/domain": "web-01" } }],
    [
      {
        labels: { "kubevirt.io": "virt-launcher" },
        ownerReferences: [
          { apiVersion: "", kind: "VirtualMachineInstance", name: "web-01", uid: "" },
        ],
      },
    ],
  ])("a virtual machine is known by %j", (metadata) => {
    expect(message(user("l", { metadata }))).toContain("virtctl stop web-01");
  });

  test("a hot-plugged volume is told with the pod of its virtual machine", () => {
    const owner = { apiVersion: "v1", kind: "Pod", name: "virt-launcher-web-01-x7k2p", uid: "" };
    const metadata = { labels: { "kubevirt.io": "hotplug-disk" }, ownerReferences: [owner] };
    expect(message(user("hp-1", { metadata }))).toContain(
      "The virtual machine of pod virt-launcher-web-01-x7k2p has the claim web-01-root hot-plugged (pod hp-1)",
    );
  });

  test("a reader may be allowed, a writer has to stop", () => {
    expect(message(user("p"))).toBe("Pod p holds the claim web-01-root: stop it.");
    expect(message(user("p", { readOnly: true }))).toContain(
      "or allow readers with spec.sourceUse: AllowReadOnly",
    );
  });

  test("a pod that ends need not be stopped", () => {
    const metadata = { deletionTimestamp: at(0) };
    expect(message(user("p", { metadata }))).toBe(
      "Pod p is ending and still holds the claim web-01-root.",
    );
  });

  test("one pod with both images is told once", () => {
    const volumes = ["golden", "web-01-root"].map((claimName) => ({
      name: claimName,
      persistentVolumeClaim: { claimName },
    }));
    expect(message(user("p", { spec: { volumes } }))).toBe(
      "Pod p holds the claims golden and web-01-root: stop it.",
    );
  });

  test("five pods are named, whatever the order, and the others counted", () => {
    const users = ["g", "c", "a", "f", "b", "e", "d"].map((name) => user(name));
    const text = message(...users);
    expect(text).toBe(message(...users.toReversed()));
    expect(text.match(/Pod \w/g)).toEqual(["Pod a", "Pod b", "Pod c", "Pod d", "Pod e"]);
    expect(text).toMatch(/ And 2 more[.]$/);
  });
});

describe("ReadWriteOncePod", () => {
  test.each(["golden", "thin-images"])("%s is for one pod at a time", (claim) => {
    const claims = claimsWith(bound(claim, { accessModes: ["ReadWriteOncePod"] }));
    const users = [{ ...user("p", { claim }), engine }];
    const planned = plan(observed({ claims, users }));
    expect(conditions(planned.status)).toContain("Ready=False/ClaimInUse");
    expect(readyMessage(planned)).toBe(
      `A claim with the access mode ReadWriteOncePod is for one pod at a time. Pod p of ImageDiff web-02 uses the claim ${claim}: the work starts when it has ended.`,
    );
    expect(actions(plan(observed({ claims })))).toEqual(["CreateJob"]);
  });
});
