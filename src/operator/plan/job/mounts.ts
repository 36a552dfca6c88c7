/** The claims in the engine's pod. Each is mounted once, and only the output's can be written. */
import type { Container, Volume } from "kubernetes-types/core/v1.d.ts";
import type { Observation } from "../observation.ts";
import { claimsOf, podVolumes } from "../volumes.ts";

/** The folder for sockets of qemu-nbd and their pid files. */
const TMP = { name: "tmp", mountPath: "/tmp", sizeLimit: "16Mi" };

/** A claim's name may be longer than a volume's: volumes are named by what they are for. */
const ROLES = ["base", "modified", "output"];

export function volumes(observation: Observation): Volume[] {
  const claims = mountedClaims(observation).map(({ volume, claimName, block }) => ({
    name: volume,
    persistentVolumeClaim: {
      claimName,
      // A device has no other way to be read-only: the kubelet then lets the container read it,
      // and no more (makeBlockVolumes in its kubelet_pods.go). A folder is mounted read-only in the
      // container instead: of a claim that is read-only for the pod the kubelet does not apply
      // fsGroup (supportsFSGroup in csi_mounter.go), and the engine could not read its files.
      // recursiveReadOnly adds nothing, as nothing is mounted below a claim's folder, and not
      // every runtime has it.
      ...(block ? { readOnly: true } : {}),
    },
  }));
  return [...claims, { name: TMP.name, emptyDir: { sizeLimit: TMP.sizeLimit } }];
}

export function mounts(
  observation: Observation,
): Pick<Container, "volumeMounts" | "volumeDevices"> {
  const claims = mountedClaims(observation);
  const folders = claims
    .filter(({ block }) => !block)
    .map(({ volume, path, writable }) => ({
      name: volume,
      mountPath: path,
      ...(writable ? {} : { readOnly: true }),
    }));
  const devices = claims
    .filter(({ block }) => block)
    .map(({ volume, path }) => ({ name: volume, devicePath: path }));
  return {
    volumeMounts: [...folders, { name: TMP.name, mountPath: TMP.mountPath }],
    ...(devices.length === 0 ? {} : { volumeDevices: devices }),
  };
}

function mountedClaims(observation: Observation) {
  const { base, modified, output } = observation.resource.spec;
  const inRoles = [base.claimName, modified.claimName, output.claimName];
  return claimsOf(observation.resource).map((claimName) => ({
    claimName,
    volume: ROLES[inRoles.indexOf(claimName)] ?? "",
    writable: observation.resource.spec.mode === "Diff" && output.claimName === claimName,
    ...podVolumes(observation)(claimName),
  }));
}
