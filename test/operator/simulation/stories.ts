/** The life of one ImageDiff, as a seed has it. */
import type { Reason } from "../../../src/report/reasons.ts";
import type { Random } from "./random.ts";
import type {
  Afterwards,
  Attempt,
  Ending,
  Fields,
  ImageDiffScript,
  Interruption,
} from "./script.ts";

const passing: readonly Reason[] = ["NoSpace", "SourceReadFailed", "SourceChanged", "ReaderFailed"];
const permanent: readonly Reason[] = [
  "SizeMismatch",
  "ImageNotFound",
  "OutputExists",
  "InvalidUsage",
];

/** How often a story may fail before it comes to its end. */
const MOST_FAILURES = 2;

/** A failure after which there is another attempt. */
function passingFailure(random: Random): Ending {
  return random.pick<Ending>([
    { how: "fails", reason: random.pick(passing) },
    { how: "fails", reason: random.pick(passing) },
    { how: "dies", exitCode: 1 },
    { how: "dies", exitCode: 137, reason: "OOMKilled" },
    { how: "dies", exitCode: 139 },
    { how: "cannotStart" },
    { how: "evicted" },
  ]);
}

function attempt(random: Random, ending: Ending, more: Partial<Attempt> = {}): Attempt {
  const seconds = random.pick([0.2, 1, 5, 12, 30]);
  return { seconds: seconds * random.between(0.5, 1.5), ending, ...more };
}

const passingInterruptions: readonly Interruption[] = [
  ...(["suspend", "editJob", "deleteJob", "deletePod", "drain"] as const),
];

/** The story's middle: failures that pass, and engines that are stopped. */
function troubles(random: Random): Attempt[] {
  if (random.chance(0.4)) return [];
  const count = random.int(1, MOST_FAILURES);
  return Array.from({ length: count }, () =>
    random.chance(0.5)
      ? attempt(random, passingFailure(random))
      : attempt(random, { how: "succeeds" }, { interruption: random.pick(passingInterruptions) }),
  );
}

interface Last {
  attempts: Attempt[];
  spec?: Fields;
}

/** The story's end. */
function last(random: Random, failures: number): Last {
  const succeeds: Ending = { how: "succeeds" };
  const roll = random.next();
  if (roll < 0.5) return { attempts: [attempt(random, succeeds)] };
  if (roll < 0.55) return { attempts: [attempt(random, { how: "succeeds", silently: true })] };
  if (roll < 0.67) {
    return { attempts: [attempt(random, { how: "fails", reason: random.pick(permanent) })] };
  }
  if (roll < 0.7)
    return { attempts: [attempt(random, { how: "fails", reason: "VerificationFailed" })] };
  if (roll < 0.8) {
    // It fails for ever; nothing that was counted before may make it fail otherwise.
    const ending: Ending = random.pick<Ending>([
      { how: "fails", reason: random.pick(passing) },
      { how: "dies", exitCode: 1 },
    ]);
    const forEver = Array.from({ length: failures + 4 }, () => ({
      ...attempt(random, ending),
      seconds: 1,
    }));
    return { attempts: forEver, spec: { backoffLimit: failures + random.int(0, 1) } };
  }
  if (roll < 0.86) {
    const raisesBackoffLimit = failures + 3;
    return {
      attempts: [
        attempt(random, { how: "fails", reason: "NoSpace" }, { raisesBackoffLimit }),
        attempt(random, { how: "fails", reason: "ReaderFailed" }),
        attempt(random, succeeds),
      ],
      spec: { backoffLimit: failures },
    };
  }
  if (roll < 0.9)
    return { attempts: [attempt(random, succeeds, { interruption: "shortenDeadline" })] };
  if (roll < 0.94) {
    const attempts = [attempt(random, succeeds, { interruption: "deadline" })];
    return { attempts, spec: { activeDeadlineSeconds: 240 } };
  }
  return { attempts: [attempt(random, succeeds, { interruption: "deleteImageDiff" })] };
}

const endless = new Set<Interruption | undefined>(["deadline", "shortenDeadline"]);

function afterwards(random: Random): Afterwards[] {
  if (random.chance(0.5)) return [];
  const all: Afterwards[] = [
    "deletePods",
    "editJob",
    "suspend",
    "useSources",
    "deleteJob",
    "deleteImageDiff",
  ];
  return all.filter(() => random.chance(0.35));
}

/** Suspends, and lets it go on, at moments that make no difference to the end. */
function editsOf(
  random: Random,
  appearsAt: number,
  suspended: boolean,
  attempts: readonly Attempt[],
): { at: number; spec: Fields }[] {
  const from = appearsAt + random.between(0, 60);
  const goesOn = { at: from + random.between(1, 60), spec: { suspend: false } };
  if (suspended) return [goesOn];
  // Somebody who waits for the engine to end must not be crossed.
  const isCrossed = attempts.some(({ interruption }) => interruption === "suspend");
  if (isCrossed || random.chance(0.8)) return [];
  return [{ at: from, spec: { suspend: true } }, goesOn];
}

/** A story, for a resource of that name with those images. */
export function story(
  random: Random,
  name: string,
  images: Fields,
): Omit<ImageDiffScript, "successor"> {
  const appearsAt = random.chance(0.5) ? 0 : random.between(0, 40);
  const middle = troubles(random);
  const failures = middle.length;
  const end = last(random, failures);
  const isEndless = endless.has(end.attempts[0]?.interruption);
  // The time that a deadline leaves is told with the failures before it.
  const attempts = [...(isEndless ? [] : middle), ...end.attempts];
  const ttl = random.chance(0.1) ? { ttlSecondsAfterFinished: random.pick([0, 5, 60]) } : {};
  const suspended = random.chance(0.15);
  const edits = editsOf(random, appearsAt, suspended, attempts);
  return {
    name,
    appearsAt,
    spec: {
      ...images,
      ...(suspended && { suspend: true }),
      ...(random.chance(0.3) && { sourceUse: "AllowReadOnly" }),
      ...ttl,
      ...end.spec,
    },
    attempts,
    edits,
    // Edits may come later than the end.
    afterwards: afterwards(random).filter((what) => what !== "suspend" || edits.length === 0),
    ...(random.chance(0.08) && { deletedAt: appearsAt + random.between(0, 90) }),
  };
}
