/** A world in which no controller is at work yet: the test starts its own, as processes. */
import { onTestFinished } from "vitest";
import type { Client } from "../client.ts";
import { cluster, namespace } from "../cluster.ts";
import type { Access } from "../control-plane.ts";
import type { EventuallyOptions } from "../eventually.ts";
import { startKubelet, type Kubelet } from "../kubelet.ts";
import { World } from "./world.ts";

/** A node for the running test. */
export async function node(access: Access = cluster()): Promise<Kubelet> {
  const kubelet = await startKubelet(access);
  onTestFinished(async () => kubelet.stop());
  return kubelet;
}

/** A namespace with the three claims of an ImageDiff. */
export async function stage(
  admin: Client,
  kubelet?: Kubelet,
  patience: EventuallyOptions = {},
): Promise<World> {
  const space = await namespace(admin);
  const here = new World(admin, space, kubelet ?? (await node()), patience);
  await here.claims();
  return here;
}
