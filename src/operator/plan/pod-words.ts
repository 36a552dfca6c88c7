/** How messages speak of somebody else's pod, and what to do about it. */
import type { Pod } from "kubernetes-types/core/v1.d.ts";
import type { ImageDiff } from "../../api/resource.ts";
import { isLeaving } from "./jobs.ts";
import { nameOf } from "./pods.ts";
import type { Holder } from "./sources.ts";

/** One pod that holds claims: what it is, which claims, and how to make it let go. */
export function holderSentence(
  held: readonly Holder[],
  sourceUse: ImageDiff["spec"]["sourceUse"],
): string {
  const [first] = held;
  if (first === undefined) return "";
  const { pod, engine } = first.user;
  const names = held.map(({ claimName }) => claimName);
  const claims = `the claim${names.length > 1 ? "s" : ""} ${names.join(" and ")}`;
  if (isLeaving(pod)) return `Pod ${nameOf(pod)} is ending and still holds ${claims}.`;
  if (engine !== undefined) {
    return `Pod ${nameOf(pod)} of ImageDiff ${engine.imageDiff} uses ${claims}: the work starts when it has ended.`;
  }
  const machine = virtualMachine(pod);
  if (machine !== undefined) {
    return `VirtualMachine ${machine} is running (pod ${nameOf(pod)}) and holds ${claims}: stop it with "virtctl stop ${machine}".`;
  }
  const launcher = attachedFor(pod);
  if (launcher !== undefined) {
    return `The virtual machine of pod ${launcher} has ${claims} hot-plugged (pod ${nameOf(pod)}): stop it, or unplug the volume with "virtctl removevolume".`;
  }
  const readOnly = held.every((each) => each.readOnly) && sourceUse === "RequireIdle";
  const also = readOnly
    ? ", or allow readers with spec.sourceUse: AllowReadOnly, as it cannot write there"
    : "";
  return `Pod ${nameOf(pod)} holds ${claims}: stop it${also}.`;
}

/**
 * The virtual machine that a pod of KubeVirt runs (labels of its
 * pkg/virt-controller/services/template.go).
 */
function virtualMachine({ metadata }: Pod): string | undefined {
  if (metadata?.labels?.["kubevirt.io"] !== "virt-launcher") return undefined;
  return (
    metadata.labels["vm.kubevirt.io/name"] ??
    metadata.labels["kubevirt.io/domain"] ??
    metadata.ownerReferences?.find(({ kind }) => kind === "VirtualMachineInstance")?.name
  );
}

/** The pod of the virtual machine for which a pod of KubeVirt holds a hot-plugged volume. */
function attachedFor({ metadata }: Pod): string | undefined {
  if (metadata?.labels?.["kubevirt.io"] !== "hotplug-disk") return undefined;
  return metadata.ownerReferences?.find(({ kind }) => kind === "Pod")?.name;
}
