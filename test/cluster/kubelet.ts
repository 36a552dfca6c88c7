/**
 * A stand-in for a node and its kubelet, towards the API server as honest as the real ones: it has
 * the permissions of a node, reports what pods do, answers for logs, and lets go of deleted pods.
 * What the containers do is for the tests to say.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Node, Pod } from "kubernetes-types/core/v1.d.ts";
import { Client } from "./client.ts";
import type { ContainerLog } from "./container-log.ts";
import { adminOf, type Access } from "./control-plane.ts";
import { Authority, readKeyPair } from "./keys.ts";
import { LogServer } from "./log-server.ts";
import { PlayedPod } from "./pod.ts";
import { Player, type Match, type Script } from "./player.ts";
import { watch, type Change, type Watching } from "./watch.ts";

/**
 * Starts one, under a name of its own unless one is given: any number of them can share a control
 * plane.
 */
export async function startKubelet(
  access: Access,
  node = `node-${randomUUID().slice(0, 8)}`,
): Promise<Kubelet> {
  const authority = Authority.at(join(access.folder, "keys"));
  const keys = await authority.sign(node, `system:node:${node}`, "system:nodes");
  const { server, caPem } = access;
  const client = new Client({ server, caPem, certificate: readKeyPair(keys) });
  const kubelet = new Kubelet(node, client, adminOf(access));
  await kubelet.start(async (find) => LogServer.start(keys, caPem, find));
  return kubelet;
}

export class Kubelet {
  /** The node's name. */
  readonly node: string;
  readonly #client: Client;
  readonly #admin: Client;
  readonly #pods = new Map<string, PlayedPod>();
  readonly #alive = new AbortController();
  #logs: LogServer | undefined;
  #watching: Watching | undefined;

  /** @param admin places pods on the node, as a scheduler would. */
  constructor(node: string, client: Client, admin: Client) {
    this.node = node;
    this.#client = client;
    this.#admin = admin;
  }

  async start(
    serve: (find: (...of: [string, string, string]) => FoundLog) => Promise<LogServer>,
  ): Promise<void> {
    this.#logs = await serve((namespace, pod, container) => this.#log(namespace, pod, container));
    await this.#client.create(nodeManifest(this.node, this.#logs.port));
    this.#watching = watch<Pod>(
      this.#client,
      "/api/v1/pods",
      { fieldSelector: `spec.nodeName=${this.node}` },
      (change) => this.#see(change),
      this.#alive.signal,
    );
    await this.#watching.ready;
  }

  /** The pods on this node that are not gone yet. */
  get pods(): PlayedPod[] {
    return [...this.#pods.values()];
  }

  /**
   * Places a pod on this node, where its containers are being created until the test starts them.
   */
  async run({ metadata }: Pod): Promise<PlayedPod> {
    const { name = "", namespace = "", uid = "" } = metadata ?? {};
    const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
    await this.#admin.post(`${path}/binding`, {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { name, namespace, uid },
      target: { apiVersion: "v1", kind: "Node", name: this.node },
    });
    return this.#adopt(await this.#admin.get<Pod>(path));
  }

  /**
   * Places every new pod that matches on this node, and has the script play it.
   */
  play(match: Match, script: Script): Player {
    return new Player(this.#admin, async (pod) => this.run(pod), match, script);
  }

  /** The node is lost, without a word: its pods stay as they are, and nobody answers for them. */
  async crash(): Promise<void> {
    this.#alive.abort();
    await this.#logs?.stop();
    await this.#client.close();
    await this.#watching?.done;
  }

  /** Takes the node away, with the pods on it. */
  async stop(): Promise<void> {
    await this.crash();
    for (const pod of this.pods) pod.vanish();
    const fieldSelector = `spec.nodeName=${this.node}`;
    for (const { metadata } of await this.#admin.list<Pod>("/api/v1/pods", { fieldSelector })) {
      const path = `/api/v1/namespaces/${metadata?.namespace}/pods/${metadata?.name}`;
      await this.#admin.delete(path, { gracePeriodSeconds: 0 });
    }
    await this.#admin.delete(`/api/v1/nodes/${this.node}`);
    await this.#admin.close();
  }

  #adopt(object: Pod): PlayedPod {
    const uid = object.metadata?.uid ?? "";
    const pod = this.#pods.get(uid) ?? new PlayedPod(this.#client, object);
    this.#pods.set(uid, pod);
    return pod;
  }

  #see({ type, object }: Change<Pod>): void {
    if (type === "present") {
      this.#adopt(object).see(object);
    } else {
      const uid = object.metadata?.uid ?? "";
      this.#pods.get(uid)?.vanish();
      this.#pods.delete(uid);
    }
  }

  #log(namespace: string, name: string, container: string): FoundLog {
    const pod = this.pods.find((p) => p.namespace === namespace && p.name === name);
    if (pod === undefined) return { status: 404, message: `pod "${name}" does not exist` };
    const what = `container "${container}" in pod "${name}"`;
    if (!pod.has(container)) return { status: 404, message: `${what} not found` };
    if (!pod.hasStarted(container)) {
      return { status: 400, message: `${what} is waiting to start: ContainerCreating` };
    }
    return pod.log(container);
  }
}

type FoundLog = ContainerLog | { status: number; message: string };

function nodeManifest(name: string, port: number): Node {
  const ready = { type: "Ready", status: "True", reason: "KubeletReady" };
  const room = { cpu: "64", memory: "256Gi", pods: "10000" };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { "kubernetes.io/hostname": name } },
    status: {
      addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
      conditions: [ready],
      capacity: room,
      allocatable: room,
    },
  };
}
