/** The controller as a process: the cluster, its log, signals and the end. */
import { hostname } from "node:os";
import { pino } from "pino";
import { messageOf } from "../engine/text.ts";
import { connect } from "../kube/connection.ts";
import { loadKubeConfig } from "../kube/kube-config.ts";
import { Controller } from "../operator/controller.ts";
import { serveHttp } from "../operator/http.ts";
import { Failure } from "../report/reasons.ts";
import type { ControllerSettings } from "./controller-settings.ts";
import type { ControllerFlags } from "./controller.ts";

/** Runs the controller until SIGTERM or SIGINT. */
export async function runController(
  flags: ControllerFlags,
  { settings, namespaces, concurrency, listen }: ControllerSettings,
): Promise<void> {
  const { config, namespace } = cluster(flags.kubeconfig);
  const log = pino({
    level: flags.logLevel,
    timestamp: pino.stdTimeFunctions.isoTime,
    // A sentence; what else an error carries may hold what does not belong into a log.
    serializers: { error: (error: unknown) => (error instanceof Error ? error.message : error) },
  });
  const connection = connect(config);
  const controller = new Controller({
    transport: connection,
    log,
    settings,
    namespaces,
    concurrency,
    ...(flags.leaderElect
      ? { election: { namespace: flags.leaseNamespace ?? namespace, name: flags.leaseName } }
      : {}),
    identity: flags.identity ?? hostname(),
  });
  const stop = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    log.info({ signal }, "stops");
    stop.abort();
  };
  process.on("SIGTERM", onSignal).on("SIGINT", onSignal);
  const http = await served(flags.listen, {
    listen,
    live: () => true,
    ready: () => controller.ready,
    metrics: controller.metrics.registry,
  });
  log.info({ port: http.port }, "serves /livez, /readyz and /metrics");
  try {
    await controller.run(stop.signal);
  } finally {
    await http.close();
    await connection.close();
    process.off("SIGTERM", onSignal).off("SIGINT", onSignal);
  }
}

/** @throws Failure where there is no kubeconfig, or none that can be used. */
function cluster(file: string | undefined): ReturnType<typeof loadKubeConfig> {
  try {
    return loadKubeConfig(file);
  } catch (error) {
    const which = file === undefined ? "No kubeconfig can be used" : `--kubeconfig ${file}`;
    // A parser goes on with the lines that it stumbled over: they may hold a token.
    const [why] = messageOf(error).split("\n");
    throw new Failure("InvalidUsage", `${which}: ${why}.`, { cause: error });
  }
}

/** @throws Failure where the address cannot be listened on. */
async function served(
  flag: string,
  options: Parameters<typeof serveHttp>[0],
): ReturnType<typeof serveHttp> {
  try {
    return await serveHttp(options);
  } catch (error) {
    throw new Failure("InvalidUsage", `--listen ${flag}: ${messageOf(error)}.`, { cause: error });
  }
}
