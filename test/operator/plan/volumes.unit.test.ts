import { dirname, resolve } from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { outputPath } from "../../../src/api/resource.ts";
import {
  backingFileName,
  claimsOf,
  imagePath,
  locate,
} from "../../../src/operator/plan/volumes.ts";
import { resourceWith, volumesWith } from "./resources.ts";

const part = fc
  .stringMatching(/^[a-zA-Z0-9._: é-]{1,12}$/)
  .filter((text) => !/^[.]{1,2}$/.test(text));
const path = fc.array(part, { minLength: 1, maxLength: 8 }).map((parts) => parts.join("/"));
const claim = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?([.][a-z0-9]{1,5})?$/);

test("the recorded backing file resolves to base, at any depth and under any folder", () => {
  fc.assert(
    fc.property(claim, path, claim, path, fc.boolean(), (base, basePath, thin, outPath, block) => {
      fc.pre(!(base === thin && (block || basePath === outPath)));
      const volumes = volumesWith(...(block ? [base] : []));
      const resource = resourceWith({
        "spec.base": { claimName: base, path: basePath },
        "spec.modified": { claimName: "modified-image" },
        "spec.output": { claimName: thin, path: outPath },
      });
      const output = imagePath({ claimName: thin, path: outputPath(resource) }, volumes);
      const recorded = backingFileName(resource, volumes);
      expect(resolve(dirname(output), recorded)).toBe(imagePath(resource.spec.base, volumes));
      expect(recorded).toMatch(/^[.][.][/]/);
    }),
  );
});

test("a path maps back to its claim", () => {
  fc.assert(
    fc.property(claim, path, fc.boolean(), (claimName, inside, block) => {
      const volumes = volumesWith(...(block ? [claimName] : []));
      const location = locate(
        imagePath({ claimName, path: inside }, volumes),
        [claimName],
        volumes,
      );
      expect(location).toEqual(block ? { claimName } : { claimName, path: inside });
    }),
  );
});

test("a path outside of the claims has none", () => {
  const volumes = volumesWith("blk");
  for (const outside of ["/volumes/golden-2/x", "/volumes/blk/x", "/etc/x", "/volumes/golden"]) {
    expect(locate(outside, ["golden", "blk"], volumes)).toBeUndefined();
  }
});

test("each claim is named once, and an estimate's output not at all", () => {
  expect(claimsOf(resourceWith())).toEqual(["golden", "web-01-root", "thin-images"]);
  expect(claimsOf(resourceWith({ "spec.output.claimName": "golden" }))).toHaveLength(2);
  expect(claimsOf(resourceWith({ "spec.mode": "Estimate" }))).toHaveLength(2);
});
