/** The alerts and the dashboard: they ask for what there is, and tell of what they should. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { stringify } from "yaml";
import type { ConfigMap } from "kubernetes-types/core/v1.d.ts";
import { Metrics } from "../../src/operator/metrics.ts";
import type { KubeObject } from "../cluster/client.ts";
import { testFolder } from "../support/folder.ts";
import { render, the } from "./helm.ts";
import { promtool } from "./promtool.ts";

interface Rule {
  alert: string;
  expr: string;
  for?: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

interface PrometheusRule extends KubeObject {
  spec: { groups: Array<{ name: string; rules: Rule[] }> };
}

const objects = await render({
  metrics: { alerts: { enabled: true }, dashboard: { enabled: true } },
});
const { spec: rules } = the(objects, "PrometheusRule") as PrometheusRule;
const alerts = rules.groups.flatMap((group) => group.rules);

/** What Prometheus adds to every metric of the chart's Service. */
const target = { job: "imagediff-metrics", namespace: "imagediff-system" };

/** `name{label="value"}`, of one pod. */
function series(name: string, labels: Record<string, string> = {}, pod = "one"): string {
  const all = Object.entries({ ...target, pod, ...labels });
  return `${name}{${all.map(([label, value]) => `${label}="${value}"`).join(",")}}`;
}

interface Case {
  alert: string;
  /** In words, what is. */
  when: string;
  /** Values of each series, one a minute, as promtool has them. */
  values: Record<string, string>;
  /** When it is looked at. */
  at: string;
  /** The labels that the alert takes from its series; absent where there is none. */
  fires?: Record<string, string>;
}

const results = { success: { result: "success" }, error: { result: "error" } };
const refused = { method: "POST", code: "403" };

const cases: Case[] = [
  {
    alert: "ImageDiffControllerDown",
    when: "both replicas are gone",
    values: { [series("up")]: "1 0x30", [series("up", {}, "two")]: "1 0x30" },
    at: "12m",
    fires: {},
  },
  {
    alert: "ImageDiffControllerDown",
    when: "there is none to be asked",
    values: {},
    at: "12m",
    fires: {},
  },
  {
    alert: "ImageDiffControllerDown",
    when: "one of two is gone",
    values: { [series("up")]: "0x30", [series("up", {}, "two")]: "1x30" },
    at: "12m",
  },
  {
    alert: "ImageDiffNobodyLeads",
    when: "neither leads",
    values: {
      [series("imagediff_leader")]: "0x30",
      [series("imagediff_leader", {}, "two")]: "0x30",
    },
    at: "6m",
    fires: {},
  },
  {
    alert: "ImageDiffNobodyLeads",
    when: "one leads after the other",
    values: {
      [series("imagediff_leader")]: "1x3 0x30",
      [series("imagediff_leader", {}, "two")]: "0x3 1x30",
    },
    at: "20m",
  },
  {
    alert: "ImageDiffReconcileErrors",
    when: "every fifth fails",
    values: {
      [series("imagediff_reconciles_total", results.success)]: "0+40x60",
      [series("imagediff_reconciles_total", results.error)]: "0+10x60",
    },
    at: "30m",
    fires: {},
  },
  {
    alert: "ImageDiffReconcileErrors",
    when: "every fiftieth fails",
    values: {
      [series("imagediff_reconciles_total", results.success)]: "0+49x60",
      [series("imagediff_reconciles_total", results.error)]: "0+1x60",
    },
    at: "30m",
  },
  {
    alert: "ImageDiffWritesRefused",
    when: "Jobs are refused again and again",
    values: { [series("imagediff_api_requests_total", refused)]: "0+1x60" },
    at: "30m",
    fires: {},
  },
  {
    alert: "ImageDiffWritesRefused",
    when: "only volumes may not be read",
    values: {
      [series("imagediff_api_requests_total", { ...refused, method: "GET" })]: "0+1x60",
    },
    at: "30m",
  },
  {
    alert: "ImageDiffApiServerUnreachable",
    when: "half of the requests get no answer",
    values: {
      [series("imagediff_api_requests_total", { method: "GET", code: "200" })]: "0+5x60",
      [series("imagediff_api_requests_total", { method: "GET", code: "0" })]: "0+3x60",
      [series("imagediff_api_requests_total", { method: "PUT", code: "503" })]: "0+2x60",
    },
    at: "30m",
    fires: {},
  },
  {
    alert: "ImageDiffApiServerUnreachable",
    when: "a few conflicts, and a watch that ended",
    values: {
      [series("imagediff_api_requests_total", { method: "GET", code: "200" })]: "0+50x60",
      [series("imagediff_api_requests_total", { method: "PUT", code: "409" })]: "0+30x60",
      [series("imagediff_api_requests_total", { method: "GET", code: "0" })]: "0+1x60",
    },
    at: "30m",
  },
  {
    alert: "ImageDiffQueueStuck",
    when: "the leader's queue does not become empty",
    values: {
      [series("imagediff_queue_depth")]: "7x60",
      [series("imagediff_leader")]: "1x60",
    },
    at: "35m",
    fires: { ...target, pod: "one" },
  },
  {
    alert: "ImageDiffQueueStuck",
    when: "it becomes empty now and then, and who does not lead has one too",
    values: {
      [series("imagediff_queue_depth")]: "9 8 0 9 8 0 9 8 0 9 8 0 9 8 0 9 8 0 9 8 0 9 8 0 9 8 0",
      [series("imagediff_leader")]: "1x60",
      [series("imagediff_queue_depth", {}, "two")]: "5x60",
      [series("imagediff_leader", {}, "two")]: "0x60",
    },
    at: "26m",
  },
  {
    alert: "ImageDiffFailed",
    when: "there is one more than half an hour ago",
    values: { [series("imagediff_imagediffs", { phase: "Failed" })]: "2x39 3x60" },
    at: "45m",
    fires: {},
  },
  {
    alert: "ImageDiffFailed",
    when: "the first has failed, soon after the installation",
    values: { [series("imagediff_imagediffs", { phase: "Failed" })]: "0x5 1x60" },
    at: "10m",
    fires: {},
  },
  {
    alert: "ImageDiffFailed",
    when: "old ones lie about, and one was deleted",
    values: { [series("imagediff_imagediffs", { phase: "Failed" })]: "3x39 2x60" },
    at: "45m",
  },
  {
    alert: "ImageDiffFailed",
    when: "old ones lie about, and nobody looked for a while",
    values: { [series("imagediff_imagediffs", { phase: "Failed" })]: "3x10 _x39 3x60" },
    at: "60m",
  },
  {
    alert: "ImageDiffFailed",
    when: "there is one more since somebody looks again",
    values: { [series("imagediff_imagediffs", { phase: "Failed" })]: "3x10 _x39 3x5 4x60" },
    at: "60m",
    fires: {},
  },
  {
    alert: "ImageDiffNothingFinishes",
    when: "one waits for six hours and a bit",
    values: {
      [series("imagediff_imagediffs", { phase: "Waiting" })]: "1x900",
      [series("imagediff_job_duration_seconds_count", { phase: "Succeeded" })]: "3x900",
    },
    at: "6h20m",
    fires: {},
  },
  {
    alert: "ImageDiffNothingFinishes",
    when: "one waits from the day's beginning on",
    values: { [series("imagediff_imagediffs", { phase: "Waiting" })]: "1x900" },
    at: "5h",
  },
  {
    alert: "ImageDiffNothingFinishes",
    when: "another waited in the morning",
    values: { [series("imagediff_imagediffs", { phase: "Waiting" })]: "1x60 0x60 1x900" },
    at: "6h20m",
  },
  {
    alert: "ImageDiffNothingFinishes",
    when: "the first one has finished",
    values: {
      [series("imagediff_imagediffs", { phase: "Waiting" })]: "1x900",
      [series("imagediff_job_duration_seconds_count", { phase: "Succeeded" })]: "0x300 1x600",
    },
    at: "7h",
  },
  {
    alert: "ImageDiffNothingFinishes",
    when: "one waits for another that runs",
    values: {
      [series("imagediff_imagediffs", { phase: "Waiting" })]: "1x900",
      [series("imagediff_imagediffs", { phase: "Comparing" })]: "1x900",
    },
    at: "13h",
  },
  {
    alert: "ImageDiffNothingFinishes",
    when: "one waits while others finish",
    values: {
      [series("imagediff_imagediffs", { phase: "Waiting" })]: "1x900",
      [series("imagediff_job_duration_seconds_count", { phase: "Succeeded" })]: "3+0.01x900",
    },
    at: "13h",
  },
];

describe("alerts", () => {
  test("each one is tried, when it should speak and when it should be silent", () => {
    for (const { alert } of alerts) {
      const tried = cases.filter((each) => each.alert === alert);
      expect(new Set(tried.map(({ fires }) => fires !== undefined))).toEqual(
        new Set([true, false]),
      );
    }
    expect(new Set(cases.map(({ alert }) => alert))).toEqual(
      new Set(alerts.map(({ alert }) => alert)),
    );
  });

  test.each(cases)("$alert: $when", async ({ alert, values, at, fires }) => {
    const folder = testFolder();
    writeFileSync(join(folder, "rules.yaml"), stringify(rules));
    const rule = alerts.find((each) => each.alert === alert);
    const expected = fires && {
      exp_labels: { ...fires, ...rule?.labels },
      exp_annotations: rule?.annotations,
    };
    const tests = {
      rule_files: ["rules.yaml"],
      evaluation_interval: "1m",
      tests: [
        {
          interval: "1m",
          input_series: Object.entries(values).map(([name, list]) => ({
            series: name,
            values: list,
          })),
          alert_rule_test: [
            { eval_time: at, alertname: alert, exp_alerts: [expected ?? []].flat() },
          ],
        },
      ],
    };
    writeFileSync(join(folder, "tests.yaml"), stringify(tests));
    const ended = await promtool(["test", "rules", "tests.yaml"], folder);
    expect(ended.stdout + ended.stderr).toContain("SUCCESS");
    expect(ended.exitCode).toBe(0);
  });

  test("each one says what to do, and how urgent it is", () => {
    for (const { labels, annotations } of alerts) {
      expect(labels["severity"]).toMatch(/^(critical|warning)$/);
      expect(annotations["summary"]).toMatch(/^[A-Z].*[.]$/);
      expect(annotations["description"]).toContain("\n");
    }
  });
});

describe("dashboard", () => {
  const { data } = the(objects, "ConfigMap") as ConfigMap;
  const { panels } = JSON.parse(data?.["imagediff.json"] ?? "") as {
    panels: Array<{
      id: number;
      title: string;
      description: string;
      targets: Array<{ expr: string }>;
    }>;
  };
  /** With the values that Grafana puts there. */
  const expressions = panels
    .flatMap(({ targets }) => targets.map(({ expr }) => expr))
    .map((expr) =>
      expr
        .replaceAll("$__rate_interval", "5m")
        .replaceAll("$__range", "6h")
        .replaceAll("$job", ".*"),
    );

  test("every expression is one that Prometheus understands", async () => {
    const folder = testFolder();
    const recorded = expressions.map((expr, index) => ({ record: `panel:${index}`, expr }));
    const groups = [{ name: "panels", rules: recorded }];
    writeFileSync(join(folder, "rules.yaml"), stringify({ groups }));
    const ended = await promtool(["check", "rules", "rules.yaml"], folder);
    expect(ended.stdout + ended.stderr).toContain(`SUCCESS: ${expressions.length} rules found`);
  });

  test("every panel has a number of its own, a title, and says what it shows", () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const { title, description } of panels) {
      expect(title).not.toBe("");
      expect(description).toMatch(/[.]$/);
    }
  });

  test("it asks for each of the controller's own metrics", async () => {
    const own = [...(await known()).keys()].filter((name) => name.startsWith("imagediff_"));
    const asked = new Set(expressions.flatMap(namesIn).map(baseName));
    // How often a cache was filled anew, or a watch ended, is for those who look for a fault.
    expect(own.filter((name) => !asked.has(name))).toEqual([
      "imagediff_relists_total",
      "imagediff_watches_ended_total",
    ]);
  });

  test("nobody asks for a metric or a label that the controller does not have", async () => {
    const metrics = await known();
    const asked = [...expressions, ...alerts.map(({ expr }) => expr)];
    for (const expr of asked) {
      for (const name of namesIn(expr)) {
        expect([...metrics.keys()]).toContain(baseName(name));
      }
      for (const [, name = "", list = ""] of expr.matchAll(/(imagediff_\w+)\{(.*?)\}/g)) {
        const labels = Array.from(list.matchAll(/(\w+)(?==~?"|!=)/g), ([label]) => label);
        const own = labels.filter((label) => label !== "job" && label !== "namespace");
        const has = metrics.get(baseName(name)) ?? [];
        expect({ expr, unknown: own.filter((label) => !has.includes(label)) }).toEqual({
          expr,
          unknown: [],
        });
      }
    }
  });

  /** Metrics in an expression, not `up`, which is Prometheus' own. */
  function namesIn(expr: string): string[] {
    return expr.match(/\b(imagediff|process|nodejs)_\w+/g) ?? [];
  }

  /** Of a histogram's series. */
  function baseName(name: string): string {
    return name.replace(/_(bucket|count)$/, "");
  }

  /** The metrics that the controller has, with their labels. */
  async function known(): Promise<Map<string, string[]>> {
    const { registry } = new Metrics({
      queueDepth: () => 0,
      leading: () => true,
      imageDiffs: () => [],
    });
    const metrics = registry.getMetricsAsArray() as unknown as Array<{
      name: string;
      labelNames?: string[];
    }>;
    return new Map(metrics.map(({ name, labelNames = [] }) => [name, labelNames]));
  }
});
