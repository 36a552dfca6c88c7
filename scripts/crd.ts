/**
 * Writes crds/, the CustomResourceDefinition as the schema has it. Run it after a change to the
 * schema of the resource:
 *
 *   npm run generate
 */
import { writeFileSync } from "node:fs";
import { Document, Scalar, visit } from "yaml";
import { customResourceDefinition, PLURAL } from "../src/api/crd.ts";
import { GROUP } from "../src/api/resource.ts";
import { projectFile } from "./docs.ts";

/** The definition's file, by its name from the project's folder. */
export const crdFile = `crds/${GROUP}_${PLURAL}.yaml`;

/** Strings longer than this, in characters, are folded into lines. */
const LONG = 80;

/** The file's text as the schema has it now. */
export function crdText(): string {
  // Fields of one type are one object here: each is written out, for a definition has no anchors.
  const document = new Document(customResourceDefinition(), { aliasDuplicateObjects: false });
  visit(document, {
    Scalar(_, scalar) {
      if (typeof scalar.value === "string" && scalar.value.length > LONG) {
        scalar.type = Scalar.BLOCK_FOLDED;
      }
    },
  });
  document.commentBefore = " Made from src/api by scripts/crd.ts. Do not edit.";
  return document.toString({ lineWidth: 100 });
}

if (import.meta.main) writeFileSync(projectFile(crdFile), crdText());
