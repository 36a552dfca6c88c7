/** The controller's part around the plan, and what must be true of every plan that it makes. */
import { expect } from "vitest";
import type { ImageDiffStatus } from "../../../src/api/status.ts";
import type { Plan } from "../../../src/operator/plan/actions.ts";
import type { Observation } from "../../../src/operator/plan/observation.ts";
import { plan } from "../../../src/operator/plan/plan.ts";
import { actions } from "./builders.ts";
import { expectKstatus } from "./kstatus.ts";
import { isFinished, type World } from "./world.ts";

/** Its caches may be behind, but never go back, and it knows what it has written itself. */
export class Controller {
  readonly #world: World;
  readonly #history: Observation[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  /** Notes the world as it is now, for caches that will be behind. */
  look(): void {
    this.#history.push(this.#world.observe());
  }

  /** One round on caches that are at most so many changes behind. */
  reconcile(lag: number): Plan {
    this.look();
    this.#history.splice(0, this.#history.length - 1 - lag);
    const [seen = this.#world.observe()] = this.#history;
    let observation: Observation = { ...seen, status: structuredClone(this.#world.status) };
    let planned = expectSound(observation);
    if (actions(planned).includes("CreateJob")) {
      observation = { ...observation, users: this.#world.observe().users };
      planned = expectSound(observation);
    }
    for (const action of planned.actions) {
      if (action.type === "CreateJob") expectIdle(observation);
      this.#world.carryOut(action);
    }
    expectOneJob(this.#world);
    // The API server refuses a status that was made from an older version.
    const stale = seen.resource.metadata.generation !== this.#world.resource.metadata.generation;
    if (!stale) this.#world.status = structuredClone(planned.status);
    return planned;
  }
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
