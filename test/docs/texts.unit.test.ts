/** What the documentation says is what the program does. */
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { generatedFiles, projectFile, regenerate } from "../../scripts/docs.ts";
import { parseManifest } from "../../src/api/manifest.ts";
import { optionHelp } from "../../src/engine/overlay/options.ts";
import { operatorReasons } from "../../src/operator/plan/reasons.ts";
import { reasons } from "../../src/report/reasons.ts";
import { imagediff } from "../support/command.ts";
import { blocksOf, markdownFiles, sectionsOf, textOf } from "./texts.ts";

describe("docs/reasons.md", () => {
  /** The words that a section's table explains. */
  const words = new Map(
    Array.from(sectionsOf(textOf("docs/reasons.md")), ([heading, section]) => [
      heading,
      Array.from(section.matchAll(/^\| `(\w+)`/gm), ([, word = ""]) => word),
    ]),
  );

  test("has every word of the engine under its exit code, and no other", () => {
    const documented = [...words].flatMap(([heading, listed]) => {
      const [, exitCode] = /^Exit code (\d+)/.exec(heading) ?? [];
      return exitCode === undefined ? [] : listed.map((word) => [word, Number(exitCode)]);
    });
    expect(Object.fromEntries(documented)).toEqual(reasons);
    expect(documented).toHaveLength(Object.keys(reasons).length);
  });

  test("has every word of the operator under what it means for the work, and no other", () => {
    const documented = [...words].filter(([heading]) => !heading.startsWith("Exit code"));
    expect(Object.fromEntries(documented.filter(([, listed]) => listed.length > 0))).toEqual({
      "The work waits": operatorReasons.waiting,
      "The work is under way": operatorReasons.underWay,
      "The engine was ended": operatorReasons.failing,
      "The work is done": operatorReasons.done,
      "The other conditions": operatorReasons.conditions,
      "Told by an event only": operatorReasons.events,
    });
  });
});

describe("docs/command.md", () => {
  const sections = sectionsOf(textOf("docs/command.md"));
  const commands = ["diff", "estimate", "verify", "chain", "restore", "run", "controller"];
  /** estimate's section refers to diff's. */
  const sectionFor = (command: string): string =>
    (sections.get(command) ?? "") + (command === "estimate" ? (sections.get("diff") ?? "") : "");
  const flagsOf = async (command: string): Promise<string[]> => {
    const { stdout } = await imagediff([command, "--help"]);
    const flags = Array.from(stdout.matchAll(/^ {2}(-\w)?(?:, )?(--[a-z-]+)?/gm));
    return flags.flatMap(([, short, long]) => [short, long].filter((flag) => flag !== undefined));
  };

  test.each(commands)("explains each flag of %s", async (command) => {
    const flags = (await flagsOf(command)).filter((flag) => flag !== "-h" && flag !== "--help");
    expect(flags.length).toBeGreaterThan(1);
    const missing = flags.filter((flag) => !new RegExp(`\`${flag}[ \`]`).test(sectionFor(command)));
    expect(missing).toEqual([]);
  });

  test.each(commands)("explains no flag that %s does not have", async (command) => {
    const inTables = Array.from(
      (sections.get(command) ?? "").matchAll(/^\| (`-[^|]*)\|/gm),
      ([, cell = ""]) => Array.from(cell.matchAll(/`(--?[a-zA-Z-]+)/g), ([, flag]) => flag),
    );
    expect(await flagsOf(command)).toEqual(expect.arrayContaining(inTables.flat()));
  });

  test("names every subcommand that there is", async () => {
    const { stdout } = await imagediff(["--help"]);
    const listed = Array.from(stdout.matchAll(/^ {2}(\w+) \[options\]/gm), ([, name]) => name);
    expect(new Set(listed)).toEqual(new Set(commands));
    expect([...sections.keys()]).toEqual(expect.arrayContaining(commands));
  });

  test("explains each option of -o", () => {
    const names = Array.from(
      sectionFor("diff").matchAll(/^\| `([a-z0-9_]+)` /gm),
      ([, name]) => name,
    );
    expect(new Set(names)).toEqual(new Set(optionHelp.map(({ name }) => name)));
  });
});

const manifests = [
  ...markdownFiles.flatMap((file) =>
    blocksOf(textOf(file), "yaml").map((yaml) => ({ file, yaml })),
  ),
  ...readdirSync(projectFile("examples"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".yaml"))
    .map((name) => ({ file: `examples/${name}`, yaml: textOf(`examples/${name}`) })),
].filter(({ yaml }) => /^kind: ImageDiff$/m.test(yaml));

test.each(manifests)("a manifest in $file is valid", ({ yaml }) => {
  expect(parseManifest(yaml).kind).toBe("ImageDiff");
});

test("README.md shows the example as it is", () => {
  const plain = (yaml: string): unknown[] =>
    Array.from(parseAllDocuments(yaml), (document): unknown => document.toJS());
  const shown = blocksOf(textOf("README.md"), "yaml").map(plain);
  expect(shown).toContainEqual(plain(textOf("examples/imagediff.yaml")));
});

test.each(generatedFiles)("%s is what scripts/docs.ts makes of the schemas", (name) => {
  // Once a schema has changed: npm run generate
  expect(textOf(name)).toBe(regenerate(textOf(name)));
});

test.each(markdownFiles)("every link of %s leads to a file", (name) => {
  const links = Array.from(textOf(name).matchAll(/\]\(([^)#]+)[^)]*\)/g), ([, link = ""]) => link);
  const local = links.filter((link) => !link.includes("://"));
  const dead = local.filter((link) => !existsSync(projectFile(join(dirname(name), link))));
  expect(dead).toEqual([]);
});
