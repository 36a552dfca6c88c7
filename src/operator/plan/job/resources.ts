/** CPU and memory of the engine: the user's quantities, and the administrator's for the rest. */
import type { ResourceRequirements } from "kubernetes-types/core/v1.d.ts";
import type { JobSettings } from "../../../api/job.ts";
import { quantityValue } from "../quantity.ts";

type Quantities = Record<string, string | number>;

/**
 * A user who gives only one of request and limit moves the other along where the API server would
 * else refuse the pair: it has no request above its limit.
 */
export function mergedResources(
  defaults: Pick<ResourceRequirements, "requests" | "limits">,
  wanted: JobSettings["resources"] = {},
): Pick<ResourceRequirements, "requests" | "limits"> {
  const requests: Quantities = { ...defaults.requests, ...wanted.requests };
  const limits: Quantities = { ...defaults.limits, ...wanted.limits };
  for (const [name, limit] of Object.entries(limits)) {
    const request = requests[name];
    if (request === undefined || quantityValue(request) <= quantityValue(limit)) continue;
    if (wanted.requests?.[name] === undefined) requests[name] = limit;
    else if (wanted.limits?.[name] === undefined) limits[name] = request;
  }
  return { requests: asStrings(requests), limits: asStrings(limits) };
}

function asStrings(quantities: Quantities): Record<string, string> {
  return Object.fromEntries(Object.entries(quantities).map(([name, value]) => [name, `${value}`]));
}
