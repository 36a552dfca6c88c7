/** The script of a seed: a small cluster, and what happens in it. */
import type { Random } from "./random.ts";
import type {
  ClaimScript,
  Fields,
  ImageDiffScript,
  Obstacles,
  Script,
  UserScript,
} from "./script.ts";
import { story } from "./stories.ts";

/** The base of all. */
const BASE = "golden";
const OUTPUT = "thin";

export function scriptOf(random: Random): Script {
  const names = Array.from(
    { length: random.pick([1, 1, 1, 2, 2, 3, 4]) },
    (_, index) => `disk-${index + 1}`,
  );
  const sharedModes = random.pick([
    ["ReadWriteMany"],
    ["ReadWriteOnce"],
    ["ReadWriteMany", "ReadOnlyMany"],
  ]);
  const roots = names.map((name) => `root-${name}`);
  const all = [BASE, OUTPUT, ...roots];
  const claims = all.map((name) =>
    claim(random, name, name === BASE || name === OUTPUT ? sharedModes : undefined),
  );
  const count = random.pick([0, 0, 1, 1, 2, 3]);
  const users = Array.from({ length: count }, (_, index) =>
    user(random, `user-${index}`, [BASE, ...roots]),
  );
  const imageDiffs = names.map((name) => imageDiff(random, name));
  return {
    imageDiffs,
    claims,
    users,
    obstacles: obstacles(random),
    maxJobs: random.pick([undefined, undefined, 1, 1, 2]),
    maxJobsPerNode: random.pick([undefined, undefined, undefined, 1]),
    scoped: random.chance(0.5),
    blindToVolumes: random.chance(0.2),
    paces: {
      jobController: random.pick([0.05, 0.05, 0.5, 3]),
      garbageCollector: random.pick([0.05, 0.5, 5]),
      scheduler: random.pick([0.05, 0.5]),
      kubelet: random.pick([0.05, 0.5, 2]),
    },
  };
}

function imageDiff(random: Random, name: string): ImageDiffScript {
  const first = story(random, name, images(random, name));
  const isDeleted =
    first.deletedAt !== undefined ||
    first.attempts.some(({ interruption }) => interruption === "deleteImageDiff") ||
    first.afterwards.includes("deleteImageDiff");
  if (!isDeleted || random.chance(0.5)) return first;
  // The first may have left its overlay: this one is of another life, and of other images.
  const { deletedAt: _, ...successor } = story(random, name, images(random, name));
  return { ...first, successor: { ...successor, edits: [] } };
}

function images(random: Random, name: string): Fields {
  const compression = random.pick(["None", "None", "Zstd"]);
  return {
    base: { claimName: BASE },
    modified: { claimName: `root-${name}` },
    output: { claimName: OUTPUT, compression },
    mode: random.chance(0.2) ? "Estimate" : "Diff",
    verification: random.pick(["Full", "Full", "Metadata", "None"]),
    ...(random.chance(0.2) && { job: { labels: { tier: "gold" } } }),
  };
}

function claim(random: Random, name: string, modes = ["ReadWriteOnce"]): ClaimScript {
  const appearsAt = random.chance(0.8) ? 0 : random.between(0, 80);
  return {
    name,
    // An overlay is a file.
    mode: name !== OUTPUT && random.chance(0.15) ? "Block" : "Filesystem",
    accessModes: modes,
    appearsAt,
    boundAt: random.chance(0.7) ? appearsAt : appearsAt + random.between(0, 60),
    // Volumes of one node are all of the same: else nobody could ever use them together.
    ...(random.chance(0.2) && { node: "node-2" }),
  };
}

function user(random: Random, name: string, claims: readonly string[]): UserScript {
  const comesAt = random.chance(0.6) ? 0 : random.between(0, 120);
  const used = claims.filter(() => random.chance(0.5));
  return {
    name,
    uses: (used.length === 0 ? [random.pick(claims)] : used).map((claimName) => ({
      claimName,
      readOnly: random.chance(0.4),
    })),
    comesAt,
    goesAt: comesAt + random.between(1, 150),
    ends: random.chance(0.3),
  };
}

function obstacles(random: Random): Obstacles {
  const until = (): number => random.between(5, 150);
  return {
    ...(random.chance(0.1) && { quota: until() }),
    ...(random.chance(0.1) && { podQuota: until() }),
    ...(random.chance(0.1) && { full: until() }),
    ...(random.chance(0.1) && { registry: until() }),
    ...(random.chance(0.1) && { storage: until() }),
  };
}
