/** Values that cannot be right are refused before anything is installed, in words that help. */
import { expect, test } from "vitest";
import { chart, helm, withValues } from "./helm.ts";

const wrong: Array<[string, object, RegExp]> = [
  [
    "a value that is not there",
    { replicaCount: 3 },
    /additional properties 'replicaCount' not allowed/,
  ],
  [
    "one deeper that is not there",
    { image: { name: "x" } },
    /\/image.*additional properties 'name' not allowed/,
  ],
  ["a word for a number", { replicas: "two" }, /\/replicas.*got string, want integer/],
  ["too many workers", { concurrency: 65 }, /\/concurrency.*maximum: got 65, want 64/],
  [
    "a level that does not exist",
    { logLevel: "verbose" },
    /\/logLevel.*must be one of 'debug', 'info', 'warn', 'error'/,
  ],
  [
    "a quantity with a typing error",
    { engine: { limits: { memory: "1Gb" } } },
    /\/engine\/limits\/memory.*does not match/,
  ],
  ["a namespace that cannot exist", { namespaces: ["VMs"] }, /\/namespaces\/0.*does not match/],
  ["one text for a list", { namespaces: "vms" }, /\/namespaces.*got string, want array/],
  [
    "a digest that is none",
    { image: { engine: { digest: "latest" } } },
    /\/image\/engine\/digest.*does not match/,
  ],
  [
    "a tag in the repository's place",
    { image: { engine: { tag: "a b" } } },
    /\/image\/engine\/tag.*does not match/,
  ],
  [
    "no port to the API server",
    { networkPolicy: { apiServerPorts: [] } },
    /\/networkPolicy\/apiServerPorts.*minItems/,
  ],
  [
    "an address without its length",
    { networkPolicy: { apiServerCidrs: ["10.0.0.1"] } },
    /apiServerCidrs\/0.*does not match/,
  ],
  [
    "a switch that is a text",
    { crds: { install: "false" } },
    /\/crds\/install.*got string, want boolean/,
  ],
  [
    "half a pod",
    { podDisruptionBudget: { maxUnavailable: "half" } },
    /maxUnavailable.*does not match/,
  ],
  ["a heap too small to start", { heapMiB: 8 }, /\/heapMiB.*minimum: got 8, want 32/],
  [
    "an annotation that is a number",
    { podAnnotations: { a: 1 } },
    /\/podAnnotations\/a.*got number, want string/,
  ],
  [
    "a duration without a unit",
    { metrics: { serviceMonitor: { interval: "30" } } },
    /interval.*does not match/,
  ],
];

test.each(wrong)("%s", async (_, values, message) => {
  const ended = await withValues(values, async (file) =>
    helm(["template", "imagediff", chart, "--values", file]),
  );
  expect(ended.exitCode).not.toBe(0);
  expect(ended.stdout).toBe("");
  // In one line: it may break anywhere.
  expect(ended.stderr.replaceAll(/\s+/g, " ")).toMatch(message);
});
