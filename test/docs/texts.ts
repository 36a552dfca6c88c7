/** The documentation as tests read it. */
import { readdirSync, readFileSync } from "node:fs";
import { projectFile } from "../../scripts/docs.ts";

export function textOf(name: string): string {
  return readFileSync(projectFile(name), "utf8");
}

/** Every text for users and developers, by its name from the project's folder. */
export const markdownFiles = [
  "README.md",
  "CONTRIBUTING.md",
  ...readdirSync(projectFile("docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** The fenced blocks of one language. */
export function blocksOf(text: string, language: string): string[] {
  return Array.from(text.matchAll(/^```(\w*)\n(.*?)^```$/gms))
    .filter(([, found]) => found === language)
    .map(([, , body = ""]) => body);
}

/** The sections under headings of the second level, by heading. */
export function sectionsOf(text: string): Map<string, string> {
  const sections = text.split(/^## /m).slice(1);
  return new Map(
    sections.map((section) => {
      const [heading = "", ...lines] = section.split("\n");
      return [heading, lines.join("\n")];
    }),
  );
}
