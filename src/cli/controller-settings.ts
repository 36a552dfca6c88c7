/** What the controller's flags mean; no more is loaded than that takes. */
import { Quantity } from "../api/quantity.ts";
import type { Settings } from "../operator/plan/observation.ts";
import { Failure } from "../report/reasons.ts";
import type { ControllerFlags } from "./controller.ts";

export interface ControllerSettings {
  settings: Settings;
  /** Namespaces to watch; empty for all. */
  namespaces: string[];
  concurrency: number;
  listen: { host: string; port: number };
}

/** @throws Failure that says which flag is wrong and how it should be. */
export function controllerSettings(flags: ControllerFlags): ControllerSettings {
  if (flags.engineImage === undefined) {
    throw new Failure(
      "InvalidUsage",
      "Which engine? Name its container image with --engine-image IMAGE.",
    );
  }
  const maxJobs = wholeNumber("--max-jobs", flags.maxJobs, 0, 1_000_000);
  const maxJobsPerNode = wholeNumber("--max-jobs-per-node", flags.maxJobsPerNode, 0, 1_000_000);
  return {
    settings: {
      engineImage: flags.engineImage,
      ...(flags.engineImagePullPolicy === undefined
        ? {}
        : { imagePullPolicy: flags.engineImagePullPolicy as "Always" }),
      resources: {
        requests: quantities("--engine-requests", flags.engineRequests),
        limits: quantities("--engine-limits", flags.engineLimits),
      },
      ...(maxJobs === 0 ? {} : { maxJobs }),
      ...(maxJobsPerNode === 0 ? {} : { maxJobsPerNode }),
    },
    namespaces: namespaceNames(flags.namespaces),
    concurrency: wholeNumber("--concurrency", flags.concurrency, 1, 64),
    listen: address(flags.listen),
  };
}

/**
 * What an environment variable says that stands for a flag without a value.
 * @throws Failure if it is neither true nor false.
 */
export function isTrue(variable: string): boolean {
  const text = process.env[variable] ?? "";
  if (text === "true" || text === "1") return true;
  if (text === "false" || text === "0" || text === "") return false;
  throw new Failure("InvalidUsage", `${variable}=${text}: must be true or false.`);
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

/** Each once: a namespace that were watched twice would have everything twice. */
function namespaceNames(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  const wrong = names.find(
    (name) => name !== "" && !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name),
  );
  if (wrong === undefined) return [...new Set(names)].filter((name) => name !== "");
  throw new Failure("InvalidUsage", `--namespaces ${text}: ${wrong} is no name of a namespace.`);
}

/** `cpu=500m,memory=256Mi` as a map. */
function quantities(flag: string, text: string): Record<string, string> {
  const entries = text.split(",").filter((part) => part !== "");
  return Object.fromEntries(
    entries.map((entry) => {
      const [, name = "", value = ""] = /^([^=]*)=(.*)$/.exec(entry) ?? [];
      if (name !== "" && Quantity.safeParse(value).success) return [name, value];
      throw new Failure(
        "InvalidUsage",
        `${flag} ${entry}: must be NAME=QUANTITY, with commas between, such as cpu=500m,memory=256Mi.`,
      );
    }),
  );
}
