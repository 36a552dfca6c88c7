/** What the images are made from. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** One for all files that a build can see: those that .dockerignore lets through, and itself. */
export function hashOfInputs(project: string): string {
  const ignored = readFileSync(join(project, ".dockerignore"), "utf8");
  const named = Array.from(ignored.matchAll(/^!(.+)$/gm), ([, name = ""]) => name);
  const hash = createHash("sha256");
  for (const name of [".dockerignore", "Dockerfile", ...named].flatMap((each) =>
    filesOf(project, each),
  )) {
    const text = readFileSync(join(project, name));
    hash.update(`${name} ${text.length}\n`).update(text);
  }
  return hash.digest("hex");
}

function filesOf(project: string, name: string): string[] {
  if (!statSync(join(project, name)).isDirectory()) return [name];
  return readdirSync(join(project, name))
    .toSorted((one, other) => (one < other ? -1 : 1))
    .flatMap((entry) => filesOf(project, `${name}/${entry}`));
}
