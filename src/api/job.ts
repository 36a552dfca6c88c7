/** What an ImageDiff may say about the Job that does its work. Kubernetes' own words. */
import { z } from "zod";
import { characters, ResourceName } from "./fields.ts";
import { annotations, labels, mapOf } from "./maps.ts";
import { Quantity } from "./quantity.ts";

const shortText = characters(253);
const id = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);

/** One of the kinds of affinity, as Kubernetes has it in any pod. */
const Affinity = z.looseObject({}).meta({ "x-kubernetes-preserve-unknown-fields": true });

const Toleration = z.strictObject({
  key: characters(316)
    .optional()
    .describe("Key of the taint; without it, with operator Exists, every taint is tolerated."),
  operator: z
    .enum(["Exists", "Equal"])
    .optional()
    .describe("How the taint's value is compared. Kubernetes takes Equal if it is not given."),
  value: shortText.optional().describe("Value of the taint, for operator Equal."),
  effect: z
    .enum(["NoSchedule", "PreferNoSchedule", "NoExecute"])
    .optional()
    .describe("Effect of the taint; every effect if not given."),
  tolerationSeconds: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .optional()
    .describe("Seconds for which a NoExecute taint is tolerated; for ever if not given."),
});

const SeLinuxOptions = z.strictObject({
  user: shortText.optional().describe("SELinux user label."),
  role: shortText.optional().describe("SELinux role label."),
  type: shortText.optional().describe("SELinux type label."),
  level: shortText.optional().describe("SELinux level label."),
});

const Profile = z.strictObject({
  type: z
    .enum(["RuntimeDefault", "Localhost", "Unconfined"])
    .describe("Where the profile comes from."),
  localhostProfile: characters(1024)
    .optional()
    .describe("The profile's path or name on the node, for type Localhost."),
});

const PodSecurityContext = z.strictObject({
  runAsUser: id.optional().describe("User id of the engine; 107 if not given, as KubeVirt has."),
  runAsGroup: id.optional().describe("Group id of the engine; 107 if not given."),
  runAsNonRoot: z.boolean().optional().describe("Refuse to run as root; true if not given."),
  fsGroup: id.optional().describe("Group id that owns the volumes' files; 107 if not given."),
  fsGroupChangePolicy: z
    .enum(["OnRootMismatch", "Always"])
    .optional()
    .describe("When the owner of a volume's files is changed; OnRootMismatch if not given."),
  supplementalGroups: z
    .array(id)
    .max(32)
    .optional()
    .describe("Further group ids of the engine, at most 32."),
  supplementalGroupsPolicy: z
    .enum(["Merge", "Strict"])
    .optional()
    .describe("Whether groups of the container image count too. Kubernetes takes Merge."),
  seLinuxOptions: SeLinuxOptions.optional().describe("SELinux labels of the engine."),
  seLinuxChangePolicy: z
    .enum(["Recursive", "MountOption"])
    .optional()
    .describe("How a volume gets the engine's SELinux label."),
  seccompProfile: Profile.optional().describe("Seccomp profile; RuntimeDefault if not given."),
  appArmorProfile: Profile.optional().describe("AppArmor profile of the engine."),
});

const quantities = mapOf(Quantity, 16);

const Resources = z.strictObject({
  requests: quantities.optional().describe("What the node must have free, such as cpu: 500m."),
  limits: quantities.optional().describe("What the engine may use at most, such as memory: 512Mi."),
});

export const JobSettings = z.strictObject({
  resources: Resources.optional().describe("CPU and memory of the engine's container."),
  nodeSelector: labels(32).optional().describe("Labels that the node must have, at most 32."),
  tolerations: z
    .array(Toleration)
    .max(32)
    .optional()
    .describe("Taints of nodes that the pod tolerates, at most 32."),
  affinity: z
    .strictObject({
      nodeAffinity: Affinity.optional().describe("Nodes that the pod must or should run on."),
      podAffinity: Affinity.optional().describe("Pods that the pod must or should run beside."),
      podAntiAffinity: Affinity.optional().describe(
        "Pods that the pod must not or should not run beside.",
      ),
    })
    .optional()
    .describe("Affinity of the pod, as in any pod; what the claims demand is added to it."),
  priorityClassName: ResourceName.optional().describe("PriorityClass of the pod."),
  serviceAccountName: ResourceName.optional().describe(
    "ServiceAccount of the pod; its token is not mounted.",
  ),
  imagePullSecrets: z
    .array(z.strictObject({ name: ResourceName.describe("Name of a Secret of the namespace.") }))
    .max(16)
    .optional()
    .describe("Secrets to pull the engine's container image with, at most 16."),
  podSecurityContext: PodSecurityContext.optional().describe(
    "Who the engine runs as. Whatever is not given stays as the `restricted` Pod Security level wants it.",
  ),
  labels: labels(64).optional().describe("Further labels of the Job and its pod, at most 64."),
  annotations: annotations(32)
    .optional()
    .describe("Further annotations of the Job and its pod, at most 32."),
});
export type JobSettings = z.output<typeof JobSettings>;
