/** What is in an image, for those who look for known flaws: CycloneDX 1.5. */
import type { Package } from "./debian.ts";

export interface Component {
  type: string;
  name: string;
  version: string;
  purl?: string;
  [more: string]: unknown;
}

/** The part of npm's own bill of materials that is used. */
export interface NpmBill {
  components: Component[];
}

export interface Contents {
  /** The image's name. */
  name: string;
  version: string;
  architecture: string;
  /** Debian's packages of which the image has at least one file. */
  packages: readonly Package[];
  npm: NpmBill;
  /** Names of npm packages that the image does without. */
  without: readonly string[];
  nodeVersion: string;
}

export function billOfMaterials(contents: Contents): object {
  const { name, version, architecture, packages, npm, without, nodeVersion } = contents;
  const node = {
    type: "application",
    name: "node",
    version: nodeVersion,
    cpe: `cpe:2.3:a:nodejs:node.js:${nodeVersion}:*:*:*:*:*:*:*`,
    purl: `pkg:generic/node@${nodeVersion}`,
  };
  const debian = packages.map((each) => ({
    type: "library",
    name: each.name,
    version: each.version,
    purl: `pkg:deb/debian/${encodeURIComponent(each.name)}@${encodeURIComponent(each.version)}?arch=${architecture}&distro=debian-12`,
  }));
  const fromNpm = npm.components.filter(
    (each) => !without.some((prefix) => each.name.startsWith(prefix)),
  );
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.5.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: { component: { type: "container", name, version } },
    components: [node, ...debian, ...fromNpm],
  };
}
