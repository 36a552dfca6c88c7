/** Claims that are missing, unbound or unfit. */
import { describe, expect, test } from "vitest";
import type { ClaimObservation, Observation } from "../../../src/operator/plan/observation.ts";
import { plan } from "../../../src/operator/plan/plan.ts";
import { actions, at, bound, claimsWith, conditions, observed, readyMessage } from "./builders.ts";
import { expectKstatus } from "./kstatus.ts";

const immediate = { metadata: { name: "fast" }, provisioner: "x", volumeBindingMode: "Immediate" };
const onFirstUse = { ...immediate, volumeBindingMode: "WaitForFirstConsumer" };

function unbound(name: string, storageClass?: typeof immediate): ClaimObservation {
  const claim = { metadata: { name }, spec: {}, status: { phase: "Pending" } };
  return { claim, ...(storageClass === undefined ? {} : { storageClass }) };
}

function withClaim(name: string, seen: ClaimObservation): Partial<Observation> {
  return { claims: new Map([...observed().claims, [name, seen]]) };
}

function leaving(name: string): ClaimObservation {
  const { claim = {}, ...rest } = bound(name);
  return { ...rest, claim: { ...claim, metadata: { name, deletionTimestamp: at(0) } } };
}

function lost(name: string): ClaimObservation {
  const { claim = {}, ...rest } = bound(name);
  return { ...rest, claim: { ...claim, status: { phase: "Lost" } } };
}

const estimate = { imageDiff: "web-01-estimate", bytes: 11 * 1024 ** 3 };

const waits: [what: string, reason: string, message: string, changes: Partial<Observation>][] = [
  [
    "base does not exist",
    "ClaimMissing",
    "The base's claim golden does not exist in this namespace: create it",
    withClaim("golden", {}),
  ],
  [
    "modified is being deleted",
    "ClaimTerminating",
    "The modified image's claim web-01-root is being deleted",
    withClaim("web-01-root", leaving("web-01-root")),
  ],
  [
    "the output has lost its volume",
    "ClaimLost",
    "The output's claim thin-images has lost its volume pv-thin-images: restore",
    withClaim("thin-images", lost("thin-images")),
  ],
  [
    "a source waits for its volume",
    "ClaimUnbound",
    'The base\'s claim golden is not bound to a volume yet: "kubectl describe pvc golden" tells',
    withClaim("golden", unbound("golden", immediate)),
  ],
  [
    "a source waits for its first pod",
    "ClaimUnbound",
    "Its storage class fast binds it to its first pod, and that shall not be the engine's. Put the image there first",
    withClaim("golden", unbound("golden", onFirstUse)),
  ],
  [
    "nobody knows what a source waits for",
    "ClaimUnbound",
    "The base's claim golden is not bound to a volume, so no image can be in it yet. Put the image there first",
    withClaim("golden", unbound("golden")),
  ],
  [
    "the output waits for its volume",
    "ClaimUnbound",
    "The output's claim thin-images is not bound to a volume yet",
    withClaim("thin-images", unbound("thin-images", immediate)),
  ],
  [
    "the output's claim is read-only",
    "OutputReadOnly",
    "The output's claim thin-images has only the access mode ReadOnlyMany",
    { claims: claimsWith(bound("thin-images", { accessModes: ["ReadOnlyMany"] })) },
  ],
  [
    "the output's volume is read-only",
    "OutputReadOnly",
    "The output's claim thin-images has a read-only volume, pv-thin-images",
    {
      claims: claimsWith(
        bound("thin-images", {}, { csi: { driver: "d", volumeHandle: "h", readOnly: true } }),
      ),
    },
  ],
  [
    "the output's volume is mounted read-only",
    "OutputReadOnly",
    "has a read-only volume, pv-thin-images",
    { claims: claimsWith(bound("thin-images", {}, { mountOptions: ["noatime", "ro"] })) },
  ],
  [
    "the output is too small by an estimate",
    "OutputTooSmall",
    "The output's claim thin-images has 10 GiB (10737418240 bytes), and the overlay needs 11 GiB (11811160064 bytes) (ImageDiff web-01-estimate has estimated it): expand the claim",
    { estimate },
  ],
];

test.each(waits)("waits while %s", (_, reason, message, changes) => {
  const observation = observed(changes);
  const planned = plan(observation);
  expect(actions(planned)).toEqual([]);
  expect(planned.status.phase).toBe("Waiting");
  expect(conditions(planned.status)).toContain(`Reconciling=True/${reason}`);
  expect(readyMessage(planned)).toContain(message);
  expect(planned.announcements).toMatchObject([{ type: "Warning", reason }]);
  expect(planned.lookAgainSeconds, "what cures it may not be watched").toBe(60);
  expect(expectKstatus({ ...observation.resource, status: planned.status })).toBe("InProgress");
  const cured = plan(observed({ status: planned.status }));
  expect(actions(cured), "the way out needs no edit").toEqual(["CreateJob"]);
});

const goesOn: [what: string, changes: Partial<Observation>][] = [
  [
    "the output is bound by the engine's pod",
    withClaim("thin-images", unbound("thin-images", onFirstUse)),
  ],
  ["nobody knows what the output waits for", withClaim("thin-images", unbound("thin-images"))],
  ["the output is as large as the estimate", { estimate: { ...estimate, bytes: 10 * 1024 ** 3 } }],
  [
    "the output's capacity is unknown",
    { ...withClaim("thin-images", unbound("thin-images")), estimate },
  ],
  [
    "volumes cannot be read",
    { claims: new Map([...observed().claims].map(([name, { claim = {} }]) => [name, { claim }])) },
  ],
  [
    "a source is read-only",
    { claims: claimsWith(bound("golden", { accessModes: ["ReadOnlyMany"] })) },
  ],
  [
    "the output can be read by many, too",
    {
      claims: claimsWith(bound("thin-images", { accessModes: ["ReadOnlyMany", "ReadWriteOnce"] })),
    },
  ],
];

test.each(goesOn)("goes on where %s", (_, changes) => {
  expect(actions(plan(observed(changes)))).toEqual(["CreateJob"]);
});

test("all that is wrong is told at once, and the first is the reason", () => {
  const claims = new Map([
    ...observed().claims,
    ["golden", {}],
    ["web-01-root", lost("web-01-root")],
  ] as const);
  const pod = {
    metadata: { name: "shell" },
    spec: {
      containers: [],
      volumes: [{ name: "v", persistentVolumeClaim: { claimName: "web-01-root" } }],
    },
  };
  const planned = plan(observed({ claims, users: [{ pod }] }));
  expect(conditions(planned.status)).toContain("Ready=False/ClaimMissing");
  expect(readyMessage(planned)).toMatch(
    /claim golden does not exist.*web-01-root has lost.*Pod shell holds/,
  );
  expect(conditions(planned.status)).toContain("SourcesIdle=False/SourcesInUse");
});

test("an estimate needs no output claim", () => {
  const fields = { "spec.mode": "Estimate" };
  expect(actions(plan(observed({ fields, ...withClaim("thin-images", {}), estimate })))).toEqual([
    "CreateJob",
  ]);
});

describe("what no waiting can cure", () => {
  test.each([
    [
      "a Block claim for the output",
      "OutputNotWritable",
      "thin-images is a Block claim, and an overlay is a file",
      observed({ claims: claimsWith(bound("thin-images", { volumeMode: "Block" })) }),
    ],
    [
      "one device for both images",
      "SameImage",
      "the Block claim golden is one device, and spec.base names it too",
      observed({
        fields: { "spec.modified": { claimName: "golden", path: "other.img" } },
        claims: claimsWith(bound("golden", { volumeMode: "Block" })),
      }),
    ],
  ])("%s", (_, reason, message, observation) => {
    const planned = plan(observation);
    expect(actions(planned)).toEqual([]);
    expect(conditions(planned.status)).toEqual([`Ready=False/${reason}`, `Stalled=True/${reason}`]);
    expect(planned.status).toMatchObject({ phase: "Failed", completionTime: at(0) });
    expect(planned.status.lastFailure?.reason).toBe(reason);
    expect(readyMessage(planned)).toContain(message);
    expect(planned.announcements).toMatchObject([{ type: "Warning", reason }]);
  });

  test("is waited for all the same while a claim goes, which may be made anew", () => {
    const { claim, ...rest } = bound("thin-images", { volumeMode: "Block" });
    const metadata = { ...claim?.metadata, deletionTimestamp: at(0) };
    const going = { ...rest, claim: { ...claim, metadata } };
    const planned = plan(observed({ claims: claimsWith(going) }));
    expect(conditions(planned.status)).toContain("Ready=False/ClaimTerminating");
    expect(planned.status.completionTime).toBeUndefined();
  });

  test("two images on one Filesystem claim are two images", () => {
    const fields = { "spec.modified": { claimName: "golden", path: "other.img" } };
    expect(actions(plan(observed({ fields })))).toEqual(["CreateJob"]);
  });
});
