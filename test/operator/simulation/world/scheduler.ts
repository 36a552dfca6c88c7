/** Puts pods on nodes: where their volumes can be, and where their affinity wants them. */
import type { NodeSelectorRequirement, Pod } from "kubernetes-types/core/v1.d.ts";
import { keyOf } from "../../../../src/kube/resource-type.ts";
import { Claims, PersistentVolumes, Pods } from "../../../../src/operator/resources.ts";
import { timestamp } from "../clock.ts";
import type { ApiServer } from "../server/api-server.ts";
import { Agenda, type Pace } from "./agenda.ts";
import { claimsOfPod } from "./claims.ts";
import { hasEnded, isLeaving, textOf, uidOf } from "./pods.ts";

export const NODES = ["node-1", "node-2"];

const heard = new Set(["v1/pods", "v1/persistentvolumeclaims", "v1/persistentvolumes"]);

/** Seconds after which a pod that no node could take is tried again. */
const RETRY_SECONDS = 5;

export class Scheduler {
  /** Whether no node has room for another engine. */
  isFull: () => boolean = () => false;
  readonly #server: ApiServer;
  readonly #agenda: Agenda;

  constructor(server: ApiServer, pace: Pace) {
    this.#server = server;
    this.#agenda = new Agenda((key) => this.#place(key), pace);
    server.listen(({ kind }) => {
      // Any change may make room for those that wait.
      if (!heard.has(kind)) return;
      for (const pod of server.all(Pods)) if (isUnplaced(pod)) this.#agenda.soon(textOf(pod));
    });
  }

  #place(text: string): void {
    const [namespace = "", name = ""] = text.split("/");
    const pod = this.#server.get(Pods, { namespace, name });
    if (pod === undefined || !isUnplaced(pod)) return;
    const isEngine = pod.metadata?.labels?.["batch.kubernetes.io/job-name"] !== undefined;
    const node = isEngine && this.isFull() ? undefined : this.#nodeFor(pod);
    const lastTransitionTime = timestamp();
    const scheduled =
      node === undefined
        ? {
            ...{ type: "PodScheduled", status: "False", reason: "Unschedulable" },
            message: "0/2 nodes are available: 2 Insufficient memory.",
          }
        : { type: "PodScheduled", status: "True" };
    this.#server.update(Pods, keyOf(pod), (present) => {
      const [before] = present.status?.conditions ?? [];
      const condition = { lastTransitionTime, ...scheduled };
      const conditions = before?.status === scheduled.status ? [before] : [condition];
      const spec = {
        containers: [],
        ...present.spec,
        ...(node !== undefined && { nodeName: node }),
      };
      return { ...present, spec, status: { ...present.status, conditions } };
    });
    if (this.isFull()) this.#agenda.soon(text, RETRY_SECONDS);
  }

  #nodeFor(pod: Pod): string | undefined {
    const claims = claimsOfPod(pod);
    const others = this.#server
      .all(Pods)
      .filter((other) => uidOf(other) !== uidOf(pod) && !hasEnded(other));
    const attached = claims
      .filter((name) => this.#isForOneNode(pod.metadata?.namespace, name))
      .flatMap((name) => others.filter((other) => claimsOfPod(other).includes(name)))
      .map(({ spec }) => spec?.nodeName)
      .filter((node) => node !== undefined);
    const fits = NODES.filter(
      (node) =>
        this.#volumesReach(pod, claims, node) &&
        affinityAllows(pod, node) &&
        attached.every((each) => each === node),
    );
    // Which of several it is shall depend on nothing that comes and goes.
    return fits[claims.join().length % Math.max(1, fits.length)];
  }

  #isForOneNode(namespace: string | undefined, name: string): boolean {
    const modes = this.#server.get(Claims, { namespace, name })?.spec?.accessModes ?? [];
    return modes.every((mode) => mode === "ReadWriteOnce");
  }

  #volumesReach(pod: Pod, claims: readonly string[], node: string): boolean {
    return claims.every((name) => {
      const claim = this.#server.get(Claims, { namespace: pod.metadata?.namespace, name });
      const { volumeName = "" } = claim?.spec ?? {};
      const volume = this.#server.get(PersistentVolumes, { name: volumeName });
      const terms = volume?.spec?.nodeAffinity?.required?.nodeSelectorTerms;
      const values = terms?.[0]?.matchExpressions?.[0]?.values;
      return claim !== undefined && (values === undefined || values.includes(node));
    });
  }
}

function isUnplaced(pod: Pod): boolean {
  return pod.spec?.nodeName === undefined && !hasEnded(pod) && !isLeaving(pod);
}

function affinityAllows({ spec }: Pod, node: string): boolean {
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const terms = required?.nodeSelectorTerms ?? [];
  const allows = ({ key, values }: NodeSelectorRequirement): boolean =>
    key !== "metadata.name" || values?.includes(node) === true;
  return terms.length === 0 || terms.some(({ matchFields = [] }) => matchFields.every(allows));
}
