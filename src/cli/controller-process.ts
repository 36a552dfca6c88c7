/** The controller as a process: its flags' values, the cluster, its log, signals and the end. */
import { hostname } from "node:os";
import { pino } from "pino";
import { Quantity } from "../api/quantity.ts";
import { messageOf } from "../engine/text.ts";
import { connect } from "../kube/connection.ts";
import { loadKubeConfig } from "../kube/kube-config.ts";
import { Controller } from "../operator/controller.ts";
import { serveHttp } from "../operator/http.ts";
import { Failure } from "../report/reasons.ts";
import type { ControllerFlags } from "./controller.ts";

/** Runs the controller until SIGTERM or SIGINT. */
export async function runController(
  flags: ControllerFlags & { engineImage: string },
): Promise<void> {
  const concurrency = wholeNumber("--concurrency", flags.concurrency, 1, 64);
  const maxJobs = wholeNumber("--max-jobs", flags.maxJobs, 0, 1_000_000);
  const maxJobsPerNode = wholeNumber("--max-jobs-per-node", flags.maxJobsPerNode, 0, 1_000_000);
  const listen = address(flags.listen);
  const resources = {
    requests: quantities("--engine-requests", flags.engineRequests),
    limits: quantities("--engine-limits", flags.engineLimits),
  };
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
    settings: {
      engineImage: flags.engineImage,
      ...(flags.engineImagePullPolicy === undefined
        ? {}
        : { imagePullPolicy: flags.engineImagePullPolicy as "Always" }),
      resources,
      ...(maxJobs === 0 ? {} : { maxJobs }),
      ...(maxJobsPerNode === 0 ? {} : { maxJobsPerNode }),
    },
    namespaces: flags.namespaces.split(",").filter((name) => name !== ""),
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

function wholeNumber(flag: string, text: string, least: number, most: number): number {
  const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new Failure(
    "InvalidUsage",
    `${flag} ${text}: must be a whole number from ${least} to ${most}.`,
  );
}

function address(text: string): { host: string; port: number } {
  const [, host = "", port = ""] = /^(.*):([0-9]{1,5})$/.exec(text) ?? [];
  if (host === "" || Number(port) > 65_535) {
    throw new Failure("InvalidUsage", `--listen ${text}: must be HOST:PORT, such as 0.0.0.0:8080.`);
  }
  return { host: host.replace(/^\[(.*)\]$/, "$1"), port: Number(port) };
}

/** `cpu=500m,memory=256Mi` as a map. */
function quantities(flag: string, text: string): Record<string, string> {
  const entries = text.split(",").filter((part) => part !== "");
  return Object.fromEntries(
    entries.map((entry) => {
      const [name = "", value = ""] = entry.split("=");
      if (name !== "" && Quantity.safeParse(value).success) return [name, value];
      throw new Failure(
        "InvalidUsage",
        `${flag} ${entry}: must be NAME=QUANTITY, with commas between, such as cpu=500m,memory=256Mi.`,
      );
    }),
  );
}
