import * as fc from "fast-check";
import { expect, test } from "vitest";
import { readLines, readText } from "../../src/kube/body.ts";
import { chunks } from "./fake-api.ts";

async function linesOf(...parts: Array<string | Uint8Array>): Promise<string[]> {
  return Array.fromAsync(readLines(chunks(...parts)));
}

/** The bytes of a text in pieces that end anywhere, within characters too. */
function inPieces(text: string, ends: number[]): Uint8Array[] {
  const bytes = Buffer.from(text);
  const cuts = [0, ...ends.map((end) => end % (bytes.length + 1)).toSorted((a, b) => a - b)];
  return cuts.map((from, index) => bytes.subarray(from, cuts[index + 1] ?? bytes.length));
}

const texts = fc
  .string({ unit: "grapheme", maxLength: 20 })
  .map((text) => text.replaceAll("\n", ""));

test("lines and texts are the same however they are cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(texts),
      fc.array(fc.nat(), { maxLength: 10 }),
      async (given, ends) => {
        const pieces = inPieces(given.map((line) => `${line}\n`).join(""), ends);
        expect(await linesOf(...pieces)).toEqual(given.filter((line) => line !== ""));
        expect(await readText(chunks(...pieces))).toBe(given.map((line) => `${line}\n`).join(""));
      },
    ),
  );
});

test("every single cut of a line with characters of one to four bytes", async () => {
  const line = '{"a":"ä€😀"}';
  for (let end = 0; end <= Buffer.byteLength(line); end += 1) {
    expect(await linesOf(...inPieces(`${line}\n`, [end]))).toEqual([line]);
  }
});

test("a body that ends within a line is no whole body", async () => {
  await expect(linesOf("one\n", "tw")).rejects.toThrow("the body ended within a line");
});

test("what was before an error has been told", async () => {
  const seen: string[] = [];
  const all = async (): Promise<void> => {
    for await (const line of readLines(chunks("one\ntwo\nthr"))) seen.push(line);
  };
  await expect(all()).rejects.toThrow("within a line");
  expect(seen).toEqual(["one", "two"]);
});

test("a line of 20 MiB in small chunks is read in time that grows with its length", async () => {
  const chunk = Buffer.alloc(16_384, "x");
  const all = [...Array.from({ length: 1280 }, () => chunk), Buffer.from("\n")];
  const [line] = await linesOf(...all);
  expect(line?.length).toBe(20 * 2 ** 20);
});

test("a line without an end is given up before it fills the memory", async () => {
  const chunk = Buffer.alloc(2 ** 20);
  let given = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) {
      given += 1;
      yield chunk;
    }
  }
  await expect(Array.fromAsync(readLines(endless()))).rejects.toThrow("longer than 67108864 bytes");
  expect(given).toBe(65);
});

test("a text is read up to its limit, and no further", async () => {
  let given = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) {
      given += 1;
      yield Buffer.from("abcd");
    }
  }
  expect(await readText(endless(), 10)).toBe("abcdabcdab");
  expect(given).toBe(3);
  expect(await readText(chunks("ä€"), 3)).toBe("ä");
  expect(await readText(chunks("ä€"), 5)).toBe("ä€");
});
