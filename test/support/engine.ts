/** Runs the engine inside the test's own process: quick, for tests of many images. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diff } from "../../src/engine/diff.ts";
import type { ExistingOutput } from "../../src/engine/overlay/output-file.ts";
import { parseOverlayOptions } from "../../src/engine/overlay/options.ts";
import type { DiffRequest } from "../../src/engine/request.ts";
import type { Format } from "../../src/engine/image/format.ts";
import type { OverlayResult, OutputFormat, VerificationLevel } from "../../src/report/schema.ts";

// Each run starts its own worker threads: compiled code that they can share starts them in a third
// of the time.
process.env["NODE_COMPILE_CACHE"] ??= join(tmpdir(), "node-compile-cache");

export interface TestDiff {
  base: string;
  modified: string;
  /** Undefined for an estimate. */
  output?: string | undefined;
  baseFormat?: Format;
  modifiedFormat?: Format;
  format?: OutputFormat;
  /** As with -o. */
  options?: string;
  compressed?: boolean;
  backingFile?: string;
  existing?: ExistingOutput;
  allowSizeDifference?: boolean;
  verification?: VerificationLevel;
  trustHoles?: boolean;
  workers?: number;
  volumes?: string[];
  signal?: AbortSignal;
}

export async function runDiff(test: TestDiff): Promise<OverlayResult> {
  const request: DiffRequest = {
    base: { path: test.base, format: test.baseFormat ?? "raw" },
    modified: { path: test.modified, format: test.modifiedFormat ?? "raw" },
    output:
      test.output === undefined ? null : { path: test.output, existing: test.existing ?? "Refuse" },
    options: parseOverlayOptions(
      test.format ?? "qcow2",
      test.options === undefined ? [] : [test.options],
      test.compressed ?? false,
    ),
    backingFile: test.backingFile,
    requireBacking: false,
    allowSizeDifference: test.allowSizeDifference ?? false,
    verification: test.verification ?? "none",
    trustHoles: test.trustHoles ?? true,
    run: { volumes: test.volumes ?? [], workers: test.workers ?? 2, stallSeconds: 60 },
  };
  const signal = test.signal ?? new AbortController().signal;
  return diff(request, { signal, onProgress: () => undefined });
}
