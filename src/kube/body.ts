/** Bodies of answers: their text, or their lines as they come. */

/** No object of the API server comes near this; more is not ours to hold. */
const LONGEST_LINE = 64 * 2 ** 20;
const NEWLINE = 0x0a;

/** All of it, or what its first `limit` bytes say. */
export async function readText(
  body: AsyncIterable<Uint8Array>,
  limit = Number.POSITIVE_INFINITY,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let left = limit;
  for await (const chunk of body) {
    // A character that the limit cuts in two is left out.
    text += decoder.decode(chunk.subarray(0, left), { stream: true });
    left -= chunk.length;
    if (left <= 0) return text;
  }
  return text + decoder.decode();
}

/**
 * The lines without their ends; empty ones are left out. A line is decoded whole, so a chunk
 * may end anywhere.
 * @throws Error where a line is too long, or where the body ends within one.
 */
export async function* readLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    let start = 0;
    let end = chunk.indexOf(NEWLINE);
    for (; end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const line = Buffer.concat([...parts, chunk.subarray(start, end)]).toString();
      parts = [];
      length = 0;
      start = end + 1;
      if (line !== "") yield line;
    }
    if (start === chunk.length) continue;
    parts.push(chunk.subarray(start));
    length += chunk.length - start;
    if (length > LONGEST_LINE) throw new Error(`a line is longer than ${LONGEST_LINE} bytes`);
  }
  if (length > 0) throw new Error("the body ended within a line");
}
