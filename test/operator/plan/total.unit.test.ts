/** There is a plan for whatever the API server may hold: objects of all ages, half filled in. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ImageDiffStatus } from "../../../src/api/status.ts";
import {
  ENGINE_CONTAINER,
  JOB_NAME_LABEL,
  SETTINGS_KEY,
} from "../../../src/operator/plan/labels.ts";
import { needsHappenings, wantsLog } from "../../../src/operator/plan/needs.ts";
import type { Observation } from "../../../src/operator/plan/observation.ts";
import { plan } from "../../../src/operator/plan/plan.ts";
import { at, jobFor, JOB, observed } from "./builders.ts";
import { mismatch, noSpace, result } from "./lines.ts";

/** Objects of which any field may be absent. */
function partly<T extends object>(fields: { [Key in keyof T]: fc.Arbitrary<T[Key]> }) {
  return fc.record(fields, { requiredKeys: [] });
}

const few = <T>(arbitrary: fc.Arbitrary<T>) => fc.array(arbitrary, { maxLength: 2 });
const time = fc.constantFrom(at(-9), at(0), at(9), "", "not a time");
const word = fc.constantFrom("", "Evicted", "OOMKilled", "ErrImagePull", "StartError", "🙂");
const claimName = fc.constantFrom("golden", "web-01-root", "thin-images");
const message = fc.oneof(
  fc.constantFrom(...[result, noSpace, mismatch].map((line) => JSON.stringify(line))),
  fc.json(),
  fc.string(),
);
const condition = partly({
  type: fc.constantFrom("Complete", "Failed", "FailureTarget", "PodScheduled", "DisruptionTarget"),
  status: fc.constantFrom("True", "False"),
  reason: fc.constantFrom("DeadlineExceeded", "BackoffLimitExceeded", "x"),
  message: fc.string(),
  lastTransitionTime: time,
});

const terminated = partly({
  exitCode: fc.integer({ min: -1, max: 300 }),
  reason: word,
  message,
  startedAt: time,
});
const state = partly({
  running: partly({ startedAt: time }),
  waiting: partly({ reason: word, message: fc.string() }),
  terminated,
});
const container = partly({
  name: fc.constantFrom(ENGINE_CONTAINER, "other"),
  volumeMounts: few(partly({ name: fc.constant("v"), readOnly: fc.boolean() })),
  volumeDevices: few(partly({ name: fc.constant("v") })),
});
const volume = partly({
  name: fc.constant("v"),
  persistentVolumeClaim: partly({ claimName, readOnly: fc.boolean() }),
  ephemeral: fc.constant({}),
});
const pod = partly({
  metadata: partly({
    name: fc.constantFrom("a", "b"),
    creationTimestamp: time,
    deletionTimestamp: time,
    labels: partly({
      [JOB_NAME_LABEL]: fc.constant(JOB),
      "kubevirt.io": fc.constantFrom("virt-launcher", "hotplug-disk"),
    }),
    ownerReferences: few(partly({ uid: fc.constant("job-uid"), kind: fc.constant("Pod") })),
    finalizers: fc.constantFrom([], ["batch.kubernetes.io/job-tracking"]),
  }),
  spec: partly({
    nodeName: fc.constantFrom("n", "m"),
    containers: few(container),
    volumes: few(volume),
  }),
  status: partly({
    phase: fc.constantFrom("Pending", "Running", "Succeeded", "Failed"),
    reason: word,
    message: fc.string(),
    conditions: few(condition),
    containerStatuses: few(partly({ name: fc.constantFrom(ENGINE_CONTAINER, "other"), state })),
  }),
});
const present = jobFor();
const job = fc
  .record({
    metadata: partly({
      deletionTimestamp: time,
      creationTimestamp: time,
      annotations: partly({ [SETTINGS_KEY]: fc.constant("other") }),
    }),
    spec: partly({ suspend: fc.boolean(), backoffLimit: fc.nat(9) }),
    status: partly({ failed: fc.nat(9), startTime: time, conditions: few(condition) }),
  })
  .map(({ metadata, spec, status }) => ({
    ...present,
    metadata: { ...present.metadata, ...metadata },
    spec: { ...present.spec, ...spec },
    status,
  }));
const required = partly({
  nodeSelectorTerms: few(
    partly({
      matchExpressions: few(
        fc.record(
          { key: word, operator: fc.constantFrom("In", "Gt", "Exists"), values: few(word) },
          { requiredKeys: ["key", "operator"] },
        ),
      ),
    }),
  ),
});
const claim = partly({
  claim: partly({
    metadata: partly({ name: claimName, deletionTimestamp: time }),
    spec: partly({
      accessModes: few(fc.constantFrom("ReadWriteOnce", "ReadWriteOncePod", "ReadOnlyMany")),
      volumeMode: fc.constantFrom("Block", "Filesystem"),
    }),
    status: partly({
      phase: fc.constantFrom("Pending", "Bound", "Lost"),
      capacity: partly({ storage: fc.constantFrom("1Gi", "x") }),
    }),
  }),
  volume: partly({ spec: partly({ nodeAffinity: partly({ required }) }) }),
  storageClass: partly({ volumeBindingMode: fc.constantFrom("WaitForFirstConsumer", "Immediate") }),
});
const happening = fc.record({
  kind: fc.constantFrom("Job", "Pod"),
  reason: fc.constantFrom("FailedCreate", "FailedMount", "FailedAttachVolume"),
  message: fc.string(),
  lastSeen: time,
});
const user = fc.record({ pod });
const changes = fc.record({
  jobs: few(fc.oneof<fc.Arbitrary<object>[]>(job, job, job, fc.constant({}))),
  pods: few(pod),
  users: few(user),
  claims: few(fc.tuple(claimName, claim)),
  happenings: few(happening),
  estimate: fc.constantFrom(undefined, { imageDiff: "e", bytes: 2 ** 40 }),
  log: fc.oneof(fc.constant(undefined), message),
});

test("every observation has a plan, with a status that can be stored", () => {
  fc.assert(
    fc.property(changes, ({ claims, estimate, log, ...rest }) => {
      const observation = {
        ...observed(),
        ...rest,
        claims: new Map<string, object>([...observed().claims, ...claims]),
        ...(estimate === undefined ? {} : { estimate }),
        ...(log === undefined ? {} : { log }),
      } as unknown as Observation;
      const { status } = plan(observation);
      expect(ImageDiffStatus.parse(status)).toEqual(status);
      expect(plan({ ...observation, status }).status).toEqual(status);
      expect(typeof needsHappenings(observation)).toBe("boolean");
      expect(typeof wantsLog(observation)).toBe("boolean");
    }),
    { numRuns: 200 },
  );
});
