/** The engine's pod. It fits into a namespace of the `restricted` Pod Security level. */
import type {
  Container,
  PodSecurityContext,
  PodSpec,
  SecurityContext,
} from "kubernetes-types/core/v1.d.ts";
import { engineArguments } from "../arguments.ts";
import { ENGINE_CONTAINER, ENGINE_LABELS } from "../labels.ts";
import { mounts, volumes } from "./mounts.ts";
import type { Observation } from "../observation.ts";
import { podVolumes } from "../volumes.ts";
import { pinnedAffinity } from "./affinity.ts";
import { mergedResources } from "./resources.ts";

/** Kubernetes' default; the engine writes its result there (--report-file). */
const TERMINATION_MESSAGE_PATH = "/dev/termination-log";

/** qemu, as which KubeVirt makes disks (util.NonRootUID in its tree). */
const QEMU = 107;

export function podSpec(observation: Observation, node: string | undefined): PodSpec {
  const { resource } = observation;
  const job = resource.spec.job ?? {};
  const affinity = pinnedAffinity(job.affinity, node);
  return {
    restartPolicy: "Never",
    containers: [engineContainer(observation)],
    volumes: volumes(observation),
    securityContext: { ...podSecurity, ...job.podSecurityContext } as PodSecurityContext,
    automountServiceAccountToken: false,
    // The variables of a namespace with many services do not fit into a command's environment.
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 30,
    topologySpreadConstraints: [spread],
    ...(affinity === undefined ? {} : { affinity }),
    ...(job.nodeSelector && { nodeSelector: job.nodeSelector }),
    ...(job.tolerations && { tolerations: job.tolerations as PodSpec["tolerations"] & {} }),
    ...(job.priorityClassName && { priorityClassName: job.priorityClassName }),
    ...(job.serviceAccountName && { serviceAccountName: job.serviceAccountName }),
    ...(job.imagePullSecrets && { imagePullSecrets: job.imagePullSecrets }),
  };
}

function engineContainer(observation: Observation): Container {
  const { resource, settings } = observation;
  const [subcommand = "", ...rest] = engineArguments(resource, podVolumes(observation));
  return {
    name: ENGINE_CONTAINER,
    image: settings.engineImage,
    ...(settings.imagePullPolicy && { imagePullPolicy: settings.imagePullPolicy }),
    args: [subcommand, "--report-file", TERMINATION_MESSAGE_PATH, ...rest].map(literally),
    ...mounts(observation),
    resources: mergedResources(settings.resources, resource.spec.job?.resources),
    securityContext: containerSecurity,
    terminationMessagePath: TERMINATION_MESSAGE_PATH,
    terminationMessagePolicy: "File",
  };
}

/**
 * The kubelet puts variables in the place of `$(NAME)`, and `$` in that of `$$`: a file's name must
 * come through as it is (Container.args in the API's reference).
 */
function literally(argument: string): string {
  return argument.replaceAll("$", () => "$$");
}

const podSecurity: PodSecurityContext = {
  runAsNonRoot: true,
  runAsUser: QEMU,
  runAsGroup: QEMU,
  fsGroup: QEMU,
  // Changing the owner of each file in a large volume would take longer than the work.
  fsGroupChangePolicy: "OnRootMismatch",
  seccompProfile: { type: "RuntimeDefault" },
};

const containerSecurity: SecurityContext = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  readOnlyRootFilesystem: true,
};

/** Engines are spread over the nodes where the claims leave a choice. */
const spread = {
  maxSkew: 1,
  topologyKey: "kubernetes.io/hostname",
  whenUnsatisfiable: "ScheduleAnyway",
  labelSelector: { matchLabels: ENGINE_LABELS },
};
