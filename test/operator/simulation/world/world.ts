/** A cluster and its people, living by a script. */
import { NAMESPACE, type Script } from "../script.ts";
import type { Clock } from "../clock.ts";
import type { Random } from "../random.ts";
import { StorageClasses } from "../../../../src/operator/resources.ts";
import { Answers } from "../server/answers.ts";
import { ApiServer, Refusal } from "../server/api-server.ts";
import { Timers } from "../timers.ts";
import { Engines } from "./engines.ts";
import { GarbageCollector } from "./garbage-collector.ts";
import { JobController } from "./job-controller.ts";
import { Kubelet } from "./kubelet.ts";
import { People } from "./people.ts";
import { Scheduler } from "./scheduler.ts";

export interface World {
  server: ApiServer;
  answers: Answers;
  engines: Engines;
  timers: Timers;
}

/** Makes the cluster and lets the script begin. */
export function world(script: Script, clock: Clock, random: Random): World {
  const { obstacles, paces } = script;
  const until =
    (moment = 0) =>
    () =>
      clock.seconds < moment;
  const timers = new Timers();
  const pace = (most: number) => ({ timers, seconds: () => random.between(0.005, most) });
  const server = new ApiServer(random.fork());
  server.create(StorageClasses, {
    metadata: { name: "thick" },
    provisioner: "csi.example.com",
    volumeBindingMode: "Immediate",
  });
  const hasQuota = until(obstacles.quota);
  server.admit = ({ kind, metadata }) =>
    kind === "Job" && hasQuota()
      ? new Refusal(
          403,
          "Forbidden",
          `jobs.batch "${metadata?.name}" is forbidden: exceeded quota: ${NAMESPACE}`,
        )
      : undefined;
  const jobController = new JobController(server, random.fork(), pace(paces.jobController));
  const hasPodQuota = until(obstacles.podQuota);
  jobController.refusesPod = () => (hasPodQuota() ? "exceeded quota: pods" : undefined);
  const scheduler = new Scheduler(server, pace(paces.scheduler));
  scheduler.isFull = until(obstacles.full);
  new GarbageCollector(server, pace(paces.garbageCollector)).begin();
  const engines = new Engines(server, obstacles, () => clock.seconds, timers);
  const kubelet = new Kubelet(server, engines, pace(paces.kubelet));
  engines.kubelet = kubelet;
  const people = new People(server, engines, kubelet, timers);
  people.begin(script);
  const answers = new Answers(server, (pod, lines) => engines.log(pod, lines));
  return { server, answers, engines, timers };
}
