import * as fc from "fast-check";
import { expect, test } from "vitest";
import { FailureReport, OverlayResult } from "../../src/report/schema.ts";
import { terminationMessage, TERMINATION_MESSAGE_BYTES } from "../../src/report/termination.ts";
import { mismatch, result } from "../operator/plan/lines.ts";

const text = fc.string({ unit: "grapheme", maxLength: 6000, size: "max" });

test("what fits is left as it is", () => {
  for (const line of [result, mismatch]) {
    expect(JSON.parse(terminationMessage(line))).toEqual(line);
  }
});

test("a failure of any length fits, and stays one", () => {
  fc.assert(
    fc.property(text, (message) => {
      const told = terminationMessage({ ...mismatch, message });
      expect(Buffer.byteLength(told)).toBeLessThanOrEqual(TERMINATION_MESSAGE_BYTES);
      expect(FailureReport.parse(JSON.parse(told)).reason).toBe("SizeMismatch");
    }),
  );
});

test("a result of any length fits, keeps its numbers and the near end of its chain", () => {
  fc.assert(
    fc.property(text, fc.array(text, { maxLength: 20 }), (path, chain) => {
      const told = terminationMessage({
        ...result,
        output: { ...result.output, path },
        backingChain: chain.map((name) => ({ path: name, format: "raw", backingFile: name })),
      });
      expect(Buffer.byteLength(told)).toBeLessThanOrEqual(TERMINATION_MESSAGE_BYTES);
      const heard = OverlayResult.parse(JSON.parse(told));
      expect(heard.savings).toEqual(result.savings);
      expect(heard.backingChain.map((link) => link.path)).toEqual(
        chain.slice(0, heard.backingChain.length),
      );
      expect(heard.backingChainTruncated === true).toBe(heard.backingChain.length < chain.length);
    }),
    { numRuns: 50 },
  );
});
