/** imagediff controller: the operator, in a cluster or beside one. */
import { Option, type Command } from "commander";
import { ExitCode } from "../report/reasons.ts";
import { takeNames } from "./flags.ts";
import { fail, type CommandContext } from "./session.ts";

export interface ControllerFlags {
  kubeconfig?: string;
  namespaces: string;
  engineImage?: string;
  engineImagePullPolicy?: string;
  engineRequests: string;
  engineLimits: string;
  maxJobs: string;
  maxJobsPerNode: string;
  concurrency: string;
  listen: string;
  leaderElect: boolean;
  leaseNamespace?: string;
  leaseName: string;
  identity?: string;
  logLevel: string;
}

const ALONE = "NO_LEADER_ELECT";

export function addController(program: Command, { voice, exit }: CommandContext): void {
  const option = (flags: string, description: string, variable: string) =>
    new Option(flags, description).env(`IMAGEDIFF_${variable}`);
  program
    .command("controller")
    .summary("reconcile the ImageDiffs of a cluster")
    .description(
      "Watches ImageDiff resources, makes the Jobs that run the engine, and writes what became of " +
        "them into their status. Each flag can be given by the environment variable beside it.",
    )
    .argument("[names...]")
    .usage("[options] --engine-image IMAGE")
    .addOption(
      option(
        "--kubeconfig <file>",
        "how to reach the cluster; else $KUBECONFIG, the pod's own account, or ~/.kube/config",
        "KUBECONFIG",
      ),
    )
    .addOption(
      option(
        "--namespaces <list>",
        "namespaces to watch, with commas between; all if empty",
        "NAMESPACES",
      ).default(""),
    )
    .addOption(
      option("--engine-image <image>", "container image of the engine (required)", "ENGINE_IMAGE"),
    )
    .addOption(
      option(
        "--engine-image-pull-policy <policy>",
        "when that image is pulled; Kubernetes decides if not given",
        "ENGINE_IMAGE_PULL_POLICY",
      ).choices(["Always", "IfNotPresent", "Never"]),
    )
    .addOption(
      option(
        "--engine-requests <list>",
        "resources that the engine's container requests, where its ImageDiff does not say",
        "ENGINE_REQUESTS",
      ).default("cpu=500m,memory=256Mi"),
    )
    .addOption(
      option(
        "--engine-limits <list>",
        "resources that the engine's container is limited to, where its ImageDiff does not say",
        "ENGINE_LIMITS",
      ).default("cpu=2,memory=1Gi"),
    )
    .addOption(
      option(
        "--max-jobs <n>",
        "Jobs that run at once at most; 0 for any number",
        "MAX_JOBS",
      ).default("50"),
    )
    .addOption(
      option(
        "--max-jobs-per-node <n>",
        "Jobs that run at once on one node at most; 0 for any number",
        "MAX_JOBS_PER_NODE",
      ).default("0"),
    )
    .addOption(
      option(
        "--concurrency <n>",
        "ImageDiffs that are looked at at the same time, 1 to 64",
        "CONCURRENCY",
      ).default("4"),
    )
    .addOption(
      option(
        "--listen <address>",
        "where /livez, /readyz and /metrics are served, as HOST:PORT",
        "LISTEN",
      ).default("0.0.0.0:8080"),
    )
    .addOption(
      option(
        "--no-leader-elect",
        "do not ask who leads: only for a controller that is alone",
        ALONE,
      ),
    )
    .addOption(
      option(
        "--lease-namespace <namespace>",
        "namespace of the Lease that says who leads; the pod's own if not given",
        "LEASE_NAMESPACE",
      ),
    )
    .addOption(
      option("--lease-name <name>", "name of that Lease", "LEASE_NAME").default("imagediff"),
    )
    .addOption(
      option(
        "--identity <name>",
        "name of this replica, unique among all; the host's if not given",
        "IDENTITY",
      ),
    )
    .addOption(
      option("--log-level <level>", "what is logged, as JSON on standard output", "LOG_LEVEL")
        .choices(["debug", "info", "warn", "error"])
        .default("info"),
    )
    .action(async (names: string[], flags: ControllerFlags, command: Command) => {
      try {
        takeNames(names, []);
        const { controllerSettings, isTrue } = await import("./controller-settings.ts");
        // A flag without a value counts as given where its variable is there, whatever it says.
        const isVariable = command.getOptionValueSource("leaderElect") === "env";
        const leaderElect = isVariable ? !isTrue(`IMAGEDIFF_${ALONE}`) : flags.leaderElect;
        const settings = controllerSettings(flags);
        const { runController } = await import("./controller-process.ts");
        await runController({ ...flags, leaderElect }, settings);
        exit(ExitCode.Done);
      } catch (error) {
        exit(fail(voice, {}, error));
      }
    });
}
