/** What the parts of the cluster tell about an object. */
import { keyOf } from "../../../../src/kube/resource-type.ts";
import { Events } from "../../../../src/operator/resources.ts";
import { timestamp } from "../clock.ts";
import type { ApiServer } from "../server/api-server.ts";
import type { Stored } from "../server/store.ts";

/** Records a warning; the same one again is counted. */
export function tell(server: ApiServer, about: Stored, reason: string, message: string): void {
  const { namespace = "", name } = keyOf(about);
  const key = { namespace, name: `${name}.${reason.toLowerCase()}` };
  const lastTimestamp = timestamp();
  const again = server.update(Events, key, (event) => ({
    ...event,
    message,
    count: (event.count ?? 1) + 1,
    lastTimestamp,
  }));
  if (again !== undefined) return;
  const { uid = "" } = about.metadata ?? {};
  const involvedObject = { kind: about.kind ?? "", namespace, name, uid };
  const rest = { reason, message, count: 1, firstTimestamp: lastTimestamp, lastTimestamp };
  server.create(Events, { metadata: key, involvedObject, type: "Warning", ...rest });
}
