/** Where the engine's pod may run. */
import type { NodeSelectorRequirement, NodeSelectorTerm } from "kubernetes-types/core/v1.d.ts";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { areApart, type Demand } from "../../../src/operator/plan/node-affinity.ts";
import type { ClaimUser } from "../../../src/operator/plan/observation.ts";
import { plan } from "../../../src/operator/plan/plan.ts";
import { actions, bound, claimsWith, conditions, observed, readyMessage } from "./builders.ts";

const once = { accessModes: ["ReadWriteOnce"] };

/** Another engine's pod that has a claim, on a node or on none yet. */
function holder(name: string, claimName: string, nodeName?: string, phase = "Pending"): ClaimUser {
  const volumes = [{ name: "v", persistentVolumeClaim: { claimName } }];
  const spec = { containers: [], volumes, ...(nodeName === undefined ? {} : { nodeName }) };
  return {
    pod: { metadata: { name }, spec, status: { phase } },
    engine: { imageDiff: "web-02" },
  };
}

/** What the Job's pod demands of a node by the plan. */
function demanded(changes: Parameters<typeof observed>[0]): NodeSelectorTerm[] | undefined {
  const [action] = plan(observed(changes)).actions;
  if (action?.type !== "CreateJob") throw new Error("the plan makes no Job");
  return action.job.spec?.template.spec?.affinity?.nodeAffinity
    ?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
}

const onNode = (name: string) => ({ key: "metadata.name", operator: "In", values: [name] });

describe("a ReadWriteOnce claim that a pod has", () => {
  const claims = claimsWith(bound("thin-images", once));

  test("is followed to its node", () => {
    const users = [holder("p", "thin-images", "node-7")];
    expect(demanded({ claims, users })).toEqual([{ matchFields: [onNode("node-7")] }]);
    expect(demanded({ claims })).toBeUndefined();
  });

  test("is followed in each of the user's alternatives, and with all else that they say", () => {
    const nodeSelectorTerms = [
      { matchExpressions: [{ key: "zone", operator: "Exists" }] },
      { matchFields: [{ key: "metadata.name", operator: "NotIn", values: ["x"] }] },
    ];
    const preferredDuringSchedulingIgnoredDuringExecution = [{ weight: 1, preference: {} }];
    const nodeAffinity = {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms },
      preferredDuringSchedulingIgnoredDuringExecution,
    };
    const podAntiAffinity = { some: "thing" };
    const fields = { "spec.job.affinity": { nodeAffinity, podAntiAffinity } };
    const users = [holder("p", "thin-images", "node-7")];
    const [action] = plan(observed({ claims, users, fields })).actions;
    const job = action?.type === "CreateJob" ? action.job : {};
    expect(job.spec?.template.spec?.affinity).toEqual({
      podAntiAffinity,
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution,
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [
            { ...nodeSelectorTerms[0], matchFields: [onNode("node-7")] },
            { matchFields: [...(nodeSelectorTerms[1]?.matchFields ?? []), onNode("node-7")] },
          ],
        },
      },
    });
    expect(demanded({ claims, fields })).toEqual(nodeSelectorTerms);
  });

  test.each([{ nodeSelectorTerms: [null] }, { nodeSelectorTerms: "x" }, "x", []])(
    "does not stumble over what the user wrote: %j",
    (required) => {
      const nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution: required };
      const fields = { "spec.job.affinity": { nodeAffinity } };
      const users = [holder("p", "thin-images", "node-7")];
      expect(demanded({ claims, users, fields })).toEqual([{ matchFields: [onNode("node-7")] }]);
    },
  );

  test("is waited for until its pod is on a node", () => {
    const planned = plan(observed({ claims, users: [holder("p", "thin-images")] }));
    expect(actions(planned)).toEqual([]);
    expect(conditions(planned.status)).toEqual(
      expect.arrayContaining(["Ready=False/HolderUnplaced", "Schedulable=False/HolderUnplaced"]),
    );
    expect(readyMessage(planned)).toContain(
      "Pod p uses the ReadWriteOnce claim thin-images and is on no node yet",
    );
  });

  test("may be on several nodes at once where its storage lets it", () => {
    const users = [
      holder("p", "thin-images", "node-1", "Running"),
      holder("q", "thin-images", "node-2", "Running"),
    ];
    expect(demanded({ claims, users })).toBeUndefined();
  });

  test("is on the node of the pod that runs, not of one that waits for it", () => {
    const users = [
      holder("p", "thin-images", "node-1"),
      holder("q", "thin-images", "node-2", "Running"),
    ];
    expect(demanded({ claims, users })).toEqual([{ matchFields: [onNode("node-2")] }]);
  });

  test("does not count while the images in it are waited for anyway", () => {
    const both = claimsWith(bound("web-01-root", once), bound("thin-images", once));
    const { pod } = holder("vm", "web-01-root", "node-1");
    const users = [{ pod }, holder("p", "thin-images", "node-2")];
    const planned = plan(observed({ claims: both, users }));
    expect(conditions(planned.status)).toContain("Ready=False/SourcesInUse");
    expect(conditions(planned.status).join()).not.toContain("Schedulable");
  });
});

test.each([
  ["ReadWriteMany"],
  ["ReadWriteOnce", "ReadWriteMany"],
  ["ReadOnlyMany", "ReadWriteOnce"],
])("a claim with %s %s is followed by nobody", (...accessModes) => {
  const claims = claimsWith(bound("thin-images", { accessModes }));
  expect(demanded({ claims, users: [holder("p", "thin-images", "node-7")] })).toBeUndefined();
});

test("claims that are held on different nodes are told with their pods", () => {
  const claims = claimsWith(bound("golden", once), bound("thin-images", once));
  const users = [holder("p", "golden", "node-1"), holder("q", "thin-images", "node-2")];
  const planned = plan(observed({ claims, users }));
  expect(conditions(planned.status)).toContain("Schedulable=False/ClaimsApart");
  expect(readyMessage(planned)).toBe(
    "ReadWriteOnce claims are in use on different nodes: golden is on node node-1 (pod p), thin-images is on node node-2 (pod q). Stop the pods on one of the nodes, or wait until they end.",
  );
  expect(demanded({ claims, users: users.slice(0, 1) })).toEqual([
    { matchFields: [onNode("node-1")] },
  ]);
});

describe("volumes", () => {
  const local = (name: string, ...nodes: string[]) => {
    const matchExpressions = [{ key: "kubernetes.io/hostname", operator: "In", values: nodes }];
    return bound(
      name,
      {},
      { nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions }] } } },
    );
  };

  test("that no node reaches together are told with what each needs", () => {
    const claims = claimsWith(
      local("golden", "a", "b"),
      local("web-01-root", "b", "c"),
      local("thin-images", "d"),
    );
    const planned = plan(observed({ claims }));
    expect(conditions(planned.status)).toEqual(
      expect.arrayContaining(["Ready=False/VolumesApart", "Schedulable=False/VolumesApart"]),
    );
    expect(readyMessage(planned)).toBe(
      "No node can reach all of the claims: golden (volume pv-golden) needs kubernetes.io/hostname In (a, b); thin-images (volume pv-thin-images) needs kubernetes.io/hostname In (d). Copy an image to a claim whose volume is where the other is.",
    );
  });

  test("are told with what they need, be it without a value", () => {
    const withTerms = (name: string, operator: string) => {
      const matchExpressions = [{ key: "disk", operator }];
      const required = { nodeSelectorTerms: [{ matchExpressions }, { matchExpressions }] };
      return bound(name, {}, { nodeAffinity: { required } });
    };
    const claims = claimsWith(
      withTerms("golden", "Exists"),
      withTerms("thin-images", "DoesNotExist"),
    );
    expect(readyMessage(plan(observed({ claims })))).toContain(
      "golden (volume pv-golden) needs disk Exists, or disk Exists; thin-images (volume pv-thin-images) needs disk DoesNotExist, or disk DoesNotExist.",
    );
  });

  test("of which any two meet, but not all three", () => {
    const claims = claimsWith(
      local("golden", "a", "b"),
      local("web-01-root", "b", "c"),
      local("thin-images", "a", "c"),
    );
    expect(readyMessage(plan(observed({ claims })))).toMatch(/golden.*web-01-root.*thin-images/);
  });

  test("that meet are left to the scheduler", () => {
    const claims = claimsWith(local("golden", "a", "b"), local("thin-images", "b"));
    expect(actions(plan(observed({ claims })))).toEqual(["CreateJob"]);
  });

  test("are apart from a node that another claim is held on", () => {
    const matchFields = [{ key: "metadata.name", operator: "In", values: ["a"] }];
    const nodeAffinity = { required: { nodeSelectorTerms: [{ matchFields }] } };
    const claims = claimsWith(bound("golden", {}, { nodeAffinity }), bound("thin-images", once));
    const users = [holder("p", "thin-images", "b")];
    const planned = plan(observed({ claims, users }));
    expect(readyMessage(planned)).toContain(
      "golden (volume pv-golden) needs metadata.name In (a); the pods that use the other claims need metadata.name In (b)",
    );
    expect(actions(plan(observed({ claims, users: [holder("p", "thin-images", "a")] })))).toEqual([
      "CreateJob",
    ]);
  });
});

describe("areApart", () => {
  const is = (operator: string, ...values: string[]): NodeSelectorRequirement =>
    values.length === 0 ? { key: "k", operator } : { key: "k", operator, values };

  test.each<[boolean, NodeSelectorRequirement[]]>([
    [true, [is("In", "1"), is("In", "2")]],
    [false, [is("In", "1", "2"), is("In", "2", "3")]],
    [true, [is("In", "1", "2"), is("In", "2", "3"), is("In", "3", "1")]],
    [true, [is("In", "1"), is("NotIn", "1")]],
    [false, [is("In", "1", "2"), is("NotIn", "1")]],
    [true, [is("In", "1"), is("DoesNotExist")]],
    [true, [is("Exists"), is("DoesNotExist")]],
    [true, [is("Gt", "1"), is("DoesNotExist")]],
    [false, [is("NotIn", "1"), is("DoesNotExist")]],
    [true, [is("Gt", "3"), is("Lt", "4")]],
    [false, [is("Gt", "3"), is("Lt", "5")]],
    [true, [is("Gt", "3"), is("In", "2", "3")]],
    [false, [is("Gt", "3"), is("In", "2", "4")]],
    [true, [is("Lt", "3"), is("In", "3", "x")]],
    [false, [is("Gt", "x"), is("Lt", "1")]],
    [false, [is("Whatever", "1"), is("In", "2")]],
    [false, []],
  ])("%s: %j", (expected, requirements) => {
    expect(areApart(requirements.map((each) => [[each]]))).toBe(expected);
  });

  test("each alternative is tried with each", () => {
    const either: Demand = [[is("In", "1")], [is("In", "2")]];
    expect(areApart([either, [[is("In", "2")]]])).toBe(false);
    expect(areApart([either, [[is("In", "3")], [is("In", "4")]]])).toBe(true);
  });

  test("with too many combinations nothing is claimed", () => {
    const many: Demand = Array.from({ length: 40 }, (_, index) => [
      { key: `k${index}`, operator: "Exists" },
    ]);
    const never = [[is("In", "1")], [is("In", "2")]].map((each) => [each]);
    expect(areApart([...never])).toBe(true);
    expect(areApart([many, many, ...never])).toBe(false);
  });

  test("never claims it of demands that some node meets", () => {
    const keys = ["a", "b"];
    const value = fc.integer({ min: 0, max: 4 }).map(String);
    const node = fc.dictionary(fc.constantFrom(...keys), value);
    const requirement = fc.record({
      key: fc.constantFrom(...keys),
      operator: fc.constantFrom("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"),
      values: fc.array(value, { minLength: 1, maxLength: 3 }),
    });
    const demand = fc.array(fc.array(requirement, { maxLength: 3 }), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(node, fc.array(demand, { maxLength: 3 }), (labels, demands) => {
        const all = demands.every((each) =>
          each.some((term) => term.every((one) => meets(labels, one))),
        );
        fc.pre(all);
        expect(areApart(demands)).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  /** As the scheduler has it (labels.Requirement.Matches in apimachinery). */
  function meets(
    labels: Record<string, string>,
    { key, operator, values = [] }: NodeSelectorRequirement,
  ) {
    const value = labels[key];
    switch (operator) {
      case "In":
        return value !== undefined && values.includes(value);
      case "NotIn":
        return value === undefined || !values.includes(value);
      case "Exists":
        return value !== undefined;
      case "DoesNotExist":
        return value === undefined;
      case "Gt":
        return value !== undefined && Number(value) > Number(values[0]);
      default:
        return value !== undefined && Number(value) < Number(values[0]);
    }
  }
});
