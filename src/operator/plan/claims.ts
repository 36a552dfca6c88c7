/** Whether each claim is there, has a volume, and is fit for its part. */
import prettyBytes from "pretty-bytes";
import type { PersistentVolume } from "kubernetes-types/core/v1.d.ts";
import type { ClaimObservation, Observation } from "./observation.ts";
import { quantityValue } from "./quantity.ts";
import type { Cause } from "./states.ts";
import { claimsOf } from "./volumes.ts";

/** What is wrong with the claims: at most one thing for each. */
export function claimObstacles(observation: Observation): Cause[] {
  return claimsOf(observation.resource).flatMap((claimName) => {
    const seen = observation.claims.get(claimName) ?? {};
    const part = partOf(claimName, observation);
    const obstacle =
      absent(part, seen) ??
      unbound(part, seen, observation) ??
      (isOutput(claimName, observation) ? unfitOutput(part, seen, observation) : undefined);
    return obstacle === undefined ? [] : [obstacle];
  });
}

/** How a message calls a claim: by what it is for, and by its name. */
function partOf(claimName: string, { resource }: Observation): string {
  const { base, modified } = resource.spec;
  if (claimName === base.claimName) return `The base's claim ${claimName}`;
  if (claimName === modified.claimName) return `The modified image's claim ${claimName}`;
  return `The output's claim ${claimName}`;
}

function isOutput(claimName: string, { resource }: Observation): boolean {
  return resource.spec.mode === "Diff" && resource.spec.output.claimName === claimName;
}

function isSource(claimName: string, { resource }: Observation): boolean {
  const { base, modified } = resource.spec;
  return claimName === base.claimName || claimName === modified.claimName;
}

function absent(part: string, { claim }: ClaimObservation): Cause | undefined {
  if (claim === undefined) {
    const message = `${part} does not exist in this namespace: create it, or make another ImageDiff that names the right one.`;
    return { reason: "ClaimMissing", message };
  }
  if (claim.metadata?.deletionTimestamp !== undefined) {
    const message = `${part} is being deleted: create it again once it is gone, or make another ImageDiff that names another.`;
    return { reason: "ClaimTerminating", message };
  }
  if (claim.status?.phase === "Lost") {
    const message = `${part} has lost its volume ${claim.spec?.volumeName ?? ""}: restore the volume, or make another ImageDiff that names another claim.`;
    return { reason: "ClaimLost", message };
  }
  return undefined;
}

/** A claim that has no volume yet; our pod may bind that of the output. */
function unbound(
  part: string,
  { claim, storageClass }: ClaimObservation,
  observation: Observation,
): Cause | undefined {
  if (claim?.status?.phase === "Bound") return undefined;
  const claimName = claim?.metadata?.name ?? "";
  const mode = storageClass?.volumeBindingMode;
  const reason = "ClaimUnbound";
  if (storageClass !== undefined && mode !== "WaitForFirstConsumer") {
    const message = `${part} is not bound to a volume yet: "kubectl describe pvc ${claimName}" tells what it waits for.`;
    return { reason, message };
  }
  if (!isSource(claimName, observation)) return undefined;
  const why =
    mode === undefined
      ? ""
      : ` Its storage class ${storageClass?.metadata?.name ?? ""} binds it to its first pod, and that shall not be the engine's.`;
  const message = `${part} is not bound to a volume, so no image can be in it yet.${why} Put the image there first, or start a pod that does.`;
  return { reason, message };
}

function unfitOutput(
  part: string,
  { claim, volume }: ClaimObservation,
  { estimate }: Observation,
): Cause | undefined {
  const accessModes = claim?.spec?.accessModes ?? [];
  const onlyRead = accessModes.length > 0 && accessModes.every((mode) => mode === "ReadOnlyMany");
  if (onlyRead || isReadOnly(volume)) {
    const why = onlyRead
      ? "has only the access mode ReadOnlyMany"
      : `has a read-only volume, ${volume?.metadata?.name ?? ""}`;
    const message = `${part} ${why}: make another ImageDiff whose output can be written to.`;
    return { reason: "OutputReadOnly", message };
  }
  const capacity = quantityValue(claim?.status?.capacity?.["storage"]);
  if (estimate === undefined || !(capacity < estimate.bytes)) return undefined;
  const message = `${part} has ${bytes(capacity)}, and the overlay needs ${bytes(estimate.bytes)} (ImageDiff ${estimate.imageDiff} has estimated it): expand the claim, or make another ImageDiff that names a larger one.`;
  return { reason: "OutputTooSmall", message };
}

/** Each kind of volume has this field in its own part of the spec, or has it not. */
function isReadOnly(volume: PersistentVolume | undefined): boolean {
  const fields = Object.values(volume?.spec ?? {}) as ({ readOnly?: boolean } | undefined)[];
  const readOnly = fields.some((field) => field?.readOnly === true);
  return readOnly || volume?.spec?.mountOptions?.includes("ro") === true;
}

function bytes(count: number): string {
  return `${prettyBytes(count, { binary: true })} (${count} bytes)`;
}
