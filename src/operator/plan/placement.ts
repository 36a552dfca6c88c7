/** Where the engine's pod has to run, so that it gets at all of its claims. */
import { holdersOf, isInTheWay, type Holder } from "./sources.ts";
import { areApart, demandWords, nodeDemand, volumeDemand, type Demand } from "./node-affinity.ts";
import type { Observation } from "./observation.ts";
import { nameOf } from "./pods.ts";
import { clip, type Cause } from "./states.ts";
import { claimsOf } from "./volumes.ts";

export interface Placement {
  /** The node that the pod must follow a claim to. */
  node?: string;
  obstacle?: Cause;
}

/** Longest description of what one volume demands, in characters. */
const DEMAND_MAX_LENGTH = 300;

/**
 * A ReadWriteOnce claim is attached to one node at a time: where a pod has it, ours goes there
 * too. A pod that has it and is on no node yet is waited for. Else the two could be sent to
 * different nodes, each with a volume that the other needs, and neither would ever start.
 */
export function placement(observation: Observation): Placement {
  const held = heldForOneNode(observation);
  const unplaced = held.find(({ user }) => user.pod.spec?.nodeName === undefined);
  if (unplaced !== undefined) return { obstacle: notPlacedYet(unplaced) };
  const nodes = Map.groupBy(held, ({ user }) => user.pod.spec?.nodeName ?? "");
  if (nodes.size > 1) return { obstacle: claimsApart([...nodes.values()].map(([one]) => one)) };
  const [node] = nodes.keys();
  const apart = volumesApart(observation, node);
  if (apart !== undefined) return { obstacle: apart };
  return node === undefined ? {} : { node };
}

/** The nodes that ReadWriteOnce claims are attached to. */
export function nodesOfClaims(observation: Observation): ReadonlySet<string> {
  const nodes = heldForOneNode(observation).map(({ user }) => user.pod.spec?.nodeName);
  return new Set(nodes.filter((node) => node !== undefined));
}

/** Who has ReadWriteOnce claims. */
function heldForOneNode(observation: Observation): Holder[] {
  return claimsOf(observation.resource)
    .filter((name) => isForOneNode(name, observation))
    .flatMap((name) => attachments(name, observation));
}

function isForOneNode(claimName: string, { claims }: Observation): boolean {
  const accessModes = claims.get(claimName)?.claim?.spec?.accessModes ?? [];
  return accessModes.length > 0 && accessModes.every((mode) => mode === "ReadWriteOnce");
}

/**
 * Who has a claim attached, but for those that are waited for anyway. Where pods run with it on
 * several nodes, its storage does not attach, and it can be had anywhere.
 */
function attachments(claimName: string, observation: Observation): Holder[] {
  const holders = holdersOf(observation, [claimName]).filter(
    (holder) => !isInTheWay(holder, observation),
  );
  const running = holders.filter(({ user }) => user.pod.status?.phase === "Running");
  const nodes = new Set(running.map(({ user }) => user.pod.spec?.nodeName));
  if (nodes.size > 1) return [];
  return running.length > 0 ? running : holders;
}

function notPlacedYet({ user, claimName }: Holder): Cause {
  return {
    reason: "HolderUnplaced",
    message: `Pod ${nameOf(user.pod)} uses the ReadWriteOnce claim ${claimName} and is on no node yet: the work follows it to its node. If it cannot be scheduled, delete it.`,
  };
}

function claimsApart(holders: readonly (Holder | undefined)[]): Cause {
  const where = holders
    .filter((holder) => holder !== undefined)
    .map(
      ({ user: { pod }, claimName }) =>
        `${claimName} is on node ${pod.spec?.nodeName} (pod ${nameOf(pod)})`,
    );
  return {
    reason: "ClaimsApart",
    message: `ReadWriteOnce claims are in use on different nodes: ${where.join(", ")}. Stop the pods on one of the nodes, or wait until they end.`,
  };
}

/** Volumes that no node can reach together. */
function volumesApart(observation: Observation, node: string | undefined): Cause | undefined {
  const volumes = claimsOf(observation.resource).flatMap((claimName) => {
    const { volume } = observation.claims.get(claimName) ?? {};
    const demand = volumeDemand(volume?.spec?.nodeAffinity);
    if (demand === undefined) return [];
    return [{ demand, what: `${claimName} (volume ${nameOf(volume ?? {})}) needs` }];
  });
  const here =
    node === undefined
      ? []
      : [{ demand: nodeDemand(node), what: "the pods that use the other claims need" }];
  const demands = [...volumes, ...here];
  if (!areApart(demands.map(({ demand }) => demand))) return undefined;
  const [first, second] =
    pairs(demands).find((pair) => areApart(pair.map(({ demand }) => demand))) ?? [];
  const named = first === undefined || second === undefined ? demands : [first, second];
  const each = named.map(
    ({ demand, what }) => `${what} ${clip(demandWords(demand), DEMAND_MAX_LENGTH)}`,
  );
  return {
    reason: "VolumesApart",
    message: `No node can reach all of the claims: ${each.join("; ")}. Copy an image to a claim whose volume is where the other is.`,
  };
}

function pairs<T extends { demand: Demand }>(all: readonly T[]): [T, T][] {
  return all.flatMap((first, index) =>
    all.slice(index + 1).map((second): [T, T] => [first, second]),
  );
}
