import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { SpansDone } from "../../../src/engine/scan/job.ts";
import { SpanOrder } from "../../../src/engine/scan/scan.ts";

test("spans come out in the order of the disk, each once, as soon as they can", () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 30 });
  const arrival = lengths.chain((all) => {
    let first = 0;
    const spans = all.map((length, worker): SpansDone => {
      const end = first + length;
      const done: SpansDone = {
        kind: "spans",
        worker,
        first,
        end,
        changes: null,
        wantsOffsets: false,
      };
      first = end;
      return done;
    });
    const shuffled = fc.shuffledSubarray(spans, { minLength: spans.length });
    return fc.tuple(fc.constant(spans), shuffled);
  });
  const property = fc.property(arrival, ([spans, arriving]) => {
    const order = new SpanOrder();
    const arrived = new Set<SpansDone>();
    const given: SpansDone[] = [];
    for (const done of arriving) {
      arrived.add(done);
      given.push(...order.add(done));
      const missing = spans.findIndex((span) => !arrived.has(span));
      const ready = missing < 0 ? spans : spans.slice(0, missing);
      expect(given).toEqual(ready);
      expect(order.next).toBe(ready.at(-1)?.end ?? 0);
    }
    expect(given).toEqual(spans);
  });
  fc.assert(property, { numRuns: 500 });
});
