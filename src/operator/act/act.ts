/** Carries the actions of a plan out. Each may be carried out again without harm. */
import type { Job } from "kubernetes-types/batch/v1.d.ts";
import type { ImageDiff } from "../../api/resource.ts";
import { ApiError, isAlreadyExists, isNotFound } from "../../kube/api-error.ts";
import type { Client } from "../../kube/client.ts";
import { keyOf } from "../../kube/resource-type.ts";
import { controllerUid } from "../observe/indexes.ts";
import type { Action } from "../plan/actions.ts";
import { GENERATION_KEY } from "../plan/labels.ts";
import type { Refusal } from "../plan/observation.ts";
import { ImageDiffs, Jobs } from "../resources.ts";

/** What has come of an action. */
export interface Acted {
  /** If the API server would not let the Job start. */
  refusal?: Refusal;
  /** The Job that was made or changed; absent too if it is gone. */
  job?: Job;
}

/**
 * Carries one action out.
 * @throws ApiError or the network's error: trying again may help.
 */
export async function act(client: Client, resource: ImageDiff, action: Action): Promise<Acted> {
  const { namespace, name } = resource.metadata;
  switch (action.type) {
    case "CreateJob":
      return createJob(client, action.job);
    case "UpdateJob": {
      // The uid makes the patch fail if another Job has taken the name meanwhile.
      const annotations = { [GENERATION_KEY]: String(resource.metadata.generation ?? 0) };
      const patch = { metadata: { uid: action.uid, annotations }, spec: action.spec };
      const key = { namespace, name: action.name };
      const change = async (): Promise<Acted> => {
        const job = await ignoreGone(client.mergePatch(Jobs, key, patch));
        return job === undefined ? {} : { job };
      };
      return action.spec.suspend === false ? refusable(change) : change();
    }
    case "DeleteJob":
      // In the foreground: the Job stays visible until its last pod is gone, so that nothing
      // takes its place before.
      await ignoreGone(
        client.delete(
          Jobs,
          { namespace, name: action.name },
          { uid: action.uid, propagationPolicy: "Foreground" },
        ),
      );
      return {};
    case "DeleteResource":
      await ignoreGone(
        client.delete(
          ImageDiffs,
          { namespace, name },
          {
            uid: action.uid,
            resourceVersion: resource.metadata.resourceVersion ?? "",
            propagationPolicy: "Background",
          },
        ),
      );
      return {};
  }
}

async function createJob(client: Client, job: Job): Promise<Acted> {
  try {
    return await refusable(async () => ({ job: await client.create(Jobs, job) }));
  } catch (error) {
    if (isAlreadyExists(error)) return foreignJob(client, job);
    throw error;
  }
}

/** Statuses by which the API server refuses an object for what it is, or for whose it is. */
const REFUSALS = new Set([400, 403, 404, 422]);

/** A start that the API server refuses is told; trying again at once would not help. */
async function refusable(request: () => Promise<Acted>): Promise<Acted> {
  try {
    return await request();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // So it answers where a webhook that it must ask is away: nothing has been stored then.
    const isUnasked = error.status === 500 && error.message.includes("failed calling webhook");
    if (!isUnasked && !REFUSALS.has(error.status)) throw error;
    return { refusal: { reason: error.reason, message: error.message, at: new Date() } };
  }
}

/** The Job that exists is this resource's, made a moment ago; or somebody else's of that name. */
async function foreignJob(client: Client, job: Job): Promise<Acted> {
  const key = keyOf(job);
  const existing = await client.get(Jobs, key);
  const [owner] = controllerUid(job);
  if (owner !== undefined && controllerUid(existing).includes(owner)) {
    return { job: existing };
  }
  return {
    refusal: {
      reason: "AlreadyExists",
      message: `There is a Job ${key.name} in the namespace that ImageDiff did not make: delete it.`,
      at: new Date(),
    },
  };
}

/** What is gone need not be changed. A conflict is for the next look: perhaps no change follows it. */
async function ignoreGone<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
