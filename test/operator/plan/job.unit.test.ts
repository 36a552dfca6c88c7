/** The Job that the plan makes. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import { describe, expect, test } from "vitest";
import { plan } from "../../../src/operator/plan/plan.ts";
import type { Observation } from "../../../src/operator/plan/observation.ts";
import { bound, claimsWith, jobFor, JOB, observed, settings, stored, UID } from "./builders.ts";

function made(fields: Record<string, unknown> = {}, changes: Partial<Observation> = {}): Job {
  const [action] = plan(observed({ fields, ...changes })).actions;
  if (action?.type !== "CreateJob") throw new Error("the plan makes no Job");
  return action.job;
}

const podSpec = (job: Job) => {
  const spec = job.spec?.template.spec;
  const [container] = spec?.containers ?? [];
  if (spec === undefined || container === undefined) throw new Error("the Job has no pod");
  return { ...spec, container };
};

test("all of it, for a resource that says nothing of the Job", () => {
  const labels = {
    "app.kubernetes.io/name": "imagediff",
    "app.kubernetes.io/component": "engine",
    "app.kubernetes.io/managed-by": "imagediff",
    "imagediff.io/name": "web-01",
  };
  expect(made()).toEqual({
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name: JOB,
      namespace: "vms",
      labels,
      annotations: {
        "imagediff.io/job-settings": expect.stringMatching(/^[0-9a-f]{16}$/),
        "imagediff.io/generation": "1",
      },
      ownerReferences: [
        {
          apiVersion: "imagediff.io/v1alpha1",
          kind: "ImageDiff",
          name: "web-01",
          uid: UID,
          controller: true,
          blockOwnerDeletion: false,
        },
      ],
    },
    spec: {
      completions: 1,
      parallelism: 1,
      backoffLimit: 3,
      activeDeadlineSeconds: 14_400,
      ttlSecondsAfterFinished: 3600,
      podReplacementPolicy: "Failed",
      podFailurePolicy: {
        rules: [
          {
            action: "FailJob",
            onExitCodes: { containerName: "engine", operator: "In", values: [2, 3, 4] },
          },
          { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
        ],
      },
      template: {
        metadata: { labels, annotations: {} },
        spec: {
          restartPolicy: "Never",
          terminationGracePeriodSeconds: 30,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 107,
            runAsGroup: 107,
            fsGroup: 107,
            fsGroupChangePolicy: "OnRootMismatch",
            seccompProfile: { type: "RuntimeDefault" },
          },
          topologySpreadConstraints: [
            {
              maxSkew: 1,
              topologyKey: "kubernetes.io/hostname",
              whenUnsatisfiable: "ScheduleAnyway",
              labelSelector: {
                matchLabels: {
                  "app.kubernetes.io/name": "imagediff",
                  "app.kubernetes.io/component": "engine",
                  "app.kubernetes.io/managed-by": "imagediff",
                },
              },
            },
          ],
          volumes: [
            { name: "base", persistentVolumeClaim: { claimName: "golden" } },
            { name: "modified", persistentVolumeClaim: { claimName: "web-01-root" } },
            { name: "output", persistentVolumeClaim: { claimName: "thin-images" } },
            { name: "tmp", emptyDir: { sizeLimit: "16Mi" } },
          ],
          containers: [
            {
              name: "engine",
              image: "registry.example/imagediff:1",
              args: expect.arrayContaining([
                "diff",
                "--report-file",
                "/dev/termination-log",
                "/volumes/thin-images/web-01.qcow2",
              ]),
              volumeMounts: [
                { name: "base", mountPath: "/volumes/golden", readOnly: true },
                { name: "modified", mountPath: "/volumes/web-01-root", readOnly: true },
                { name: "output", mountPath: "/volumes/thin-images" },
                { name: "tmp", mountPath: "/tmp" },
              ],
              resources: settings.resources,
              securityContext: {
                allowPrivilegeEscalation: false,
                capabilities: { drop: ["ALL"] },
                readOnlyRootFilesystem: true,
              },
              terminationMessagePath: "/dev/termination-log",
              terminationMessagePolicy: "File",
            },
          ],
        },
      },
    },
  });
});

describe("mounts", () => {
  test("a device is read-only by its claim, for it has no mount that could be", () => {
    const { volumes, container } = podSpec(
      made({}, { claims: claimsWith(bound("web-01-root", { volumeMode: "Block" })) }),
    );
    expect(volumes?.[1]).toEqual({
      name: "modified",
      persistentVolumeClaim: { claimName: "web-01-root", readOnly: true },
    });
    expect(container.volumeDevices).toEqual([
      { name: "modified", devicePath: "/volumes/web-01-root" },
    ]);
    expect(container.volumeMounts?.map(({ name }) => name)).toEqual(["base", "output", "tmp"]);
  });

  test("one claim for all is mounted once, to be written to", () => {
    const { volumes, container } = podSpec(
      made({
        "spec.modified": { claimName: "golden", path: "new.img" },
        "spec.output.claimName": "golden",
      }),
    );
    expect(volumes?.map(({ name }) => name)).toEqual(["base", "tmp"]);
    expect(container.volumeMounts).toEqual([
      { name: "base", mountPath: "/volumes/golden" },
      { name: "tmp", mountPath: "/tmp" },
    ]);
  });

  test("an estimate writes nowhere", () => {
    const { volumes, container } = podSpec(
      made({ "spec.mode": "Estimate", "spec.output.claimName": "golden" }),
    );
    expect(volumes?.map(({ name }) => name)).toEqual(["base", "modified", "tmp"]);
    expect(container.volumeMounts?.[0]?.readOnly).toBe(true);
  });

  test("a claim's name may be no volume's", () => {
    const long = `${"a".repeat(120)}.${"b".repeat(120)}`;
    const claims = new Map([...observed().claims, [long, bound(long)]]);
    const { volumes, container } = podSpec(made({ "spec.base.claimName": long }, { claims }));
    expect(volumes?.[0]?.name).toBe("base");
    expect(container.volumeMounts?.[0]?.mountPath).toBe(`/volumes/${long}`);
  });
});

describe("what the user says", () => {
  test("is added to the Job and its pod, and ours stays", () => {
    const { metadata, spec } = made({
      "spec.job.labels": { team: "a", "app.kubernetes.io/name": "mine" },
      "spec.job.annotations": { note: "n", "imagediff.io/job-settings": "mine" },
    });
    expect(metadata?.labels).toMatchObject({ team: "a", "app.kubernetes.io/name": "imagediff" });
    expect(metadata?.annotations).toMatchObject({ note: "n" });
    expect(metadata?.annotations?.["imagediff.io/job-settings"]).not.toBe("mine");
    expect(spec?.template.metadata?.labels).toEqual(metadata?.labels);
    expect(spec?.template.metadata?.annotations).toMatchObject({ note: "n" });
  });

  test("goes to the pod as it is", () => {
    const job = {
      nodeSelector: { disk: "ssd" },
      tolerations: [{ key: "k", operator: "Exists" }],
      priorityClassName: "low",
      serviceAccountName: "runner",
      imagePullSecrets: [{ name: "s" }],
      affinity: { podAffinity: { x: 1 } },
    };
    expect(podSpec(made({ "spec.job": job }))).toMatchObject(job);
  });

  test("takes the place of single fields of the security context", () => {
    const podSecurityContext = { runAsUser: 1000, supplementalGroups: [5] };
    expect(podSpec(made({ "spec.job": { podSecurityContext } })).securityContext).toEqual({
      ...podSpec(made()).securityContext,
      ...podSecurityContext,
    });
  });

  test.each([
    [
      { limits: { memory: "2Gi" } },
      { requests: { cpu: "500m", memory: "256Mi" }, limits: { memory: "2Gi" } },
    ],
    [
      { requests: { memory: "1Gi" } },
      { requests: { cpu: "500m", memory: "1Gi" }, limits: { memory: "1Gi" } },
    ],
    [
      { limits: { memory: "0.1Gi" } },
      { requests: { cpu: "500m", memory: "0.1Gi" }, limits: { memory: "0.1Gi" } },
    ],
    [
      { limits: { cpu: 1 } },
      { requests: { cpu: "500m", memory: "256Mi" }, limits: { cpu: "1", memory: "512Mi" } },
    ],
    [
      { requests: { memory: "3Gi" }, limits: { memory: "2Gi" } },
      { requests: { cpu: "500m", memory: "3Gi" }, limits: { memory: "2Gi" } },
    ],
  ])("resources %j", (resources, expected) => {
    expect(podSpec(made({ "spec.job": { resources } })).container.resources).toEqual(expected);
  });
});

test("names come through as they are: the kubelet makes $ of $$, and $(NAME) stays only as $$(NAME)", () => {
  const { args } = podSpec(made({ "spec.modified.path": "a$b$$c$(PATH).img" })).container;
  expect(args).toEqual(
    expect.arrayContaining([expect.stringMatching(/\/a\$\$b\$\$\$\$c\$\$\(PATH\)\.img$/)]),
  );
});

test("the image is pulled as the administrator says", () => {
  const pulled = podSpec(made({}, { settings: { ...settings, imagePullPolicy: "Always" } }));
  expect(pulled.container.imagePullPolicy).toBe("Always");
});

describe("its name", () => {
  test("is that of the resource, whatever is edited and whoever's defaults there are", () => {
    const edits = {
      "spec.suspend": false,
      "spec.backoffLimit": 9,
      "spec.job": { labels: { a: "b" } },
    };
    const otherSettings = { ...settings, engineImage: "other" };
    const jobs = [made(), made(edits), made({}, { settings: otherSettings })];
    const names = jobs.map(({ metadata }) => metadata?.name);
    expect(new Set(names)).toEqual(new Set([JOB]));
    expect(JOB).toMatch(/^imagediff-[0-9a-f]{16}$/);
    expect(made({ "metadata.uid": "another" }).metadata?.name).not.toBe(JOB);
  });

  test("has beside it which settings it was made with, and no more than those", () => {
    const settingsOf = (job: Job) => job.metadata?.annotations?.["imagediff.io/job-settings"];
    const [a, b] = [{ nodeSelector: { x: "1", y: "2" } }, { nodeSelector: { y: "2", x: "1" } }];
    expect(settingsOf(made({ "spec.job": a }))).toBe(settingsOf(made({ "spec.job": b })));
    expect(settingsOf(made({ "spec.job": a }))).not.toBe(settingsOf(made()));
    expect(settingsOf(made({ "spec.job": {} }))).toBe(settingsOf(made()));
    expect(settingsOf(made({ "spec.backoffLimit": 1 }))).toBe(settingsOf(made()));
  });

  test("of the resource is an annotation where it does not fit into a label", () => {
    const name = `${"a".repeat(63)}x`;
    const { metadata, spec } = made({ "metadata.name": name });
    expect(metadata?.annotations).toMatchObject({ "imagediff.io/name": name });
    expect(spec?.template.metadata?.annotations).toEqual({ "imagediff.io/name": name });
    expect(metadata?.labels).not.toHaveProperty("imagediff.io/name");
    const shorter = made({ "metadata.name": name.slice(1) });
    expect(shorter.metadata?.labels).toHaveProperty("imagediff.io/name", name.slice(1));
  });
});

test("a path that is given for a Block claim is told to be ignored, once", () => {
  const claims = claimsWith(
    bound("golden", { volumeMode: "Block" }),
    bound("web-01-root", { volumeMode: "Block" }),
  );
  const observation = observed({ fields: { "spec.base.path": "x.img" }, claims });
  expect(plan(observation).announcements).toMatchObject([
    { type: "Normal", reason: "JobCreated" },
    {
      type: "Warning",
      reason: "PathIgnored",
      message:
        "spec.base.path x.img is ignored: golden is a Block claim, and its device is the image.",
    },
  ]);
  expect(plan({ ...observation, status: plan(observation).status }).announcements).toEqual([]);
  expect(jobFor(observation).metadata?.name).toBe(JOB);
  expect(stored().metadata.uid).toBe(UID);
});
