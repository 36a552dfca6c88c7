/** Whether nobody else uses what must not change while it is read. */
import { claimUses } from "./claim-uses.ts";
import type { ClaimUser, Observation } from "./observation.ts";
import { holderSentence } from "./pod-words.ts";
import { nameOf } from "./pods.ts";
import type { Cause } from "./states.ts";
import { claimsOf } from "./volumes.ts";

/** Pods that a message names; there may be hundreds. */
const MOST_NAMED = 5;

/** Pods that hold a source in a way that spec.sourceUse does not allow. */
export function sourceObstacle(observation: Observation): Cause | undefined {
  const holders = holdersOf(observation, claimsOf(observation.resource)).filter((holder) =>
    isInTheWay(holder, observation),
  );
  if (holders.length === 0) return undefined;
  return { reason: "SourcesInUse", message: sentences(holders, observation) };
}

/** The sentence for sources that are not in the way. */
export function idleWords({ resource }: Observation): string {
  return resource.spec.sourceUse === "RequireIdle"
    ? "No pod uses the images."
    : "No pod can write to the images.";
}

/** Claims that only one pod may use at a time, and that another has. */
export function exclusiveObstacle(observation: Observation): Cause | undefined {
  const exclusive = claimsOf(observation.resource).filter((name) =>
    observation.claims.get(name)?.claim?.spec?.accessModes?.includes("ReadWriteOncePod"),
  );
  const holders = holdersOf(observation, exclusive);
  if (holders.length === 0) return undefined;
  const message = `A claim with the access mode ReadWriteOncePod is for one pod at a time. ${sentences(holders, observation)}`;
  return { reason: "ClaimInUse", message };
}

/** A pod and one of the claims that it has. */
export interface Holder {
  user: ClaimUser;
  claimName: string;
  readOnly: boolean;
}

/** Who holds these claims, in an order that does not depend on the caches'. */
export function holdersOf({ users }: Observation, claims: readonly string[]): Holder[] {
  return users
    .toSorted((a, b) => (nameOf(a.pod) < nameOf(b.pod) ? -1 : 1))
    .flatMap((user) => claimUses(user.pod).map((use) => ({ user, ...use })))
    .filter(({ claimName }) => claims.includes(claimName));
}

/** Whether the work has to wait until a pod has let go of a claim, because an image is in it. */
export function isInTheWay(
  { user, claimName, readOnly }: Holder,
  { resource, claims }: Observation,
): boolean {
  const { base, modified, sourceUse } = resource.spec;
  const images = [base, modified].filter((image) => image.claimName === claimName);
  if (images.length === 0) return false;
  if (user.engine === undefined) return sourceUse === "RequireIdle" || !readOnly;
  // Another engine reads what it holds, but for its output.
  const { output } = user.engine;
  if (output?.claimName !== claimName) return false;
  const block = claims.get(claimName)?.claim?.spec?.volumeMode === "Block";
  return !block && images.some(({ path }) => path === (output.path ?? path));
}

function sentences(holders: readonly Holder[], { resource }: Observation): string {
  const pods = Map.groupBy(holders, ({ user }) => user);
  const named = [...pods.values()]
    .slice(0, MOST_NAMED)
    .map((held) => holderSentence(held, resource.spec.sourceUse));
  const more = pods.size - named.length;
  return [...named, ...(more > 0 ? [`And ${more} more.`] : [])].join(" ");
}
