/** The controller's part around the plan, and what must be true of every plan that it makes. */
import { expect } from "vitest";
import type { ImageDiffStatus } from "../../../src/api/status.ts";
import type { Plan } from "../../../src/operator/plan/actions.ts";
import type { Observation } from "../../../src/operator/plan/observation.ts";
import { plan } from "../../../src/operator/plan/plan.ts";
import { expectKstatus } from "./kstatus.ts";
import { isFinished, type World } from "./world.ts";

/** The caches that a controller has: each is behind by itself. */
type Cache = "resource" | "jobs" | "pods" | "users" | "claims";
const caches: readonly Cache[] = ["resource", "jobs", "pods", "users", "claims"];

/** How many changes each cache is behind at most. */
export type Lag = Record<Cache, number>;
export const upToDate: Lag = { resource: 0, jobs: 0, pods: 0, users: 0, claims: 0 };

/** Its caches may be behind, but never go back, and it knows what it has written itself. */
export class Controller {
  readonly #world: World;
  readonly #history: Observation[] = [];
  readonly #seen: Lag = { ...upToDate };

  constructor(world: World) {
    this.#world = world;
  }

  /** Notes the world as it is now, for caches that will be behind. */
  look(): void {
    this.#history.push(this.#world.observe());
  }

  /** One round on caches that are so far behind. */
  reconcile(lag: Lag): Plan {
    let observation = this.#observe(lag);
    let planned = expectSound(observation);
    if (startsEngine(planned)) {
      observation = { ...observation, users: this.#world.observe().users };
      planned = expectSound(observation);
    }
    if (startsEngine(planned)) expectIdle(observation);
    for (const action of planned.actions) this.#world.carryOut(action);
    expectOneJob(this.#world);
    // The API server refuses a status that was made from an older version.
    const { generation } = this.#world.resource.metadata;
    if (observation.resource.metadata.generation === generation) {
      this.#world.status = structuredClone(planned.status);
    }
    return planned;
  }

  #observe(lag: Lag): Observation {
    this.look();
    const last = this.#history.length - 1;
    const parts = caches.map((cache) => {
      this.#seen[cache] = Math.max(this.#seen[cache], last - lag[cache]);
      return [cache, this.#history[this.#seen[cache]]?.[cache]];
    });
    const { status } = this.#world;
    return structuredClone({ ...this.#world.observe(), ...Object.fromEntries(parts), status });
  }
}

function startsEngine({ actions: list }: Plan): boolean {
  return list.some(
    (action) =>
      action.type === "CreateJob" || (action.type === "UpdateJob" && action.spec.suspend === false),
  );
}

function expectOneJob({ jobs }: World): void {
  expect(jobs.filter((job) => !isFinished(job)).length).toBeLessThanOrEqual(1);
}

/** The plan for an observation, after a look at what is true of any plan on its own. */
function expectSound(observation: Observation): Plan {
  const planned = plan(deepFrozen(observation));
  expect(plan(observation), "the same again").toEqual(planned);
  expectKstatus({ metadata: observation.resource.metadata, status: planned.status });
  const after = plan({ ...observation, status: planned.status });
  expect(after.status, "a second look changes nothing").toEqual(planned.status);
  expect(after.announcements).toEqual([]);
  if (observation.status.completionTime !== undefined) {
    expect(planned.actions).toEqual([]);
    const { generation } = observation.resource.metadata;
    expect(planned.status).toEqual(aboutGeneration(observation.status, generation));
  }
  return planned;
}

function aboutGeneration(status: ImageDiffStatus, observedGeneration = 0): ImageDiffStatus {
  const conditions = (status.conditions ?? []).map((each) => ({ ...each, observedGeneration }));
  return { ...status, observedGeneration, conditions };
}

function expectIdle({ users, resource }: Observation): void {
  const { base, modified, sourceUse } = resource.spec;
  const writers = users.filter(({ pod }) =>
    (pod.spec?.volumes ?? []).some(
      ({ persistentVolumeClaim: claim }) =>
        [base.claimName, modified.claimName].includes(claim?.claimName ?? "") &&
        (sourceUse === "RequireIdle" || claim?.readOnly !== true),
    ),
  );
  expect(writers).toEqual([]);
}

function deepFrozen<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFrozen);
  }
  return value;
}
