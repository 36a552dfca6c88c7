/**
 * zlib as QEMU uses it. Node's own deflates twice as fast, but 2.5% less: its overlays would be
 * larger than those of qemu-img, which rests on the same libz.so.1.
 */
import koffi from "koffi";
import { Failure } from "../../report/reasons.ts";
import { messageOf } from "../text.ts";

/** Where z_stream's fields lie on 64-bit Linux (zlib.h). */
const Field = { nextIn: 0, availIn: 8, nextOut: 24, availOut: 32, totalOut: 40 } as const;
const Z_STREAM_BYTES = 112;
const Z_OK = 0;
const Z_STREAM_END = 1;
const Z_FINISH = 4;
const Z_DEFAULT_COMPRESSION = -1;
const Z_DEFLATED = 8;

function bind(windowBits: number) {
  // deep: Node exports zlib's names too, and libz would otherwise call into Node's.
  const libz = koffi.load("libz.so.1", { deep: true });
  const init = libz.func(
    "int deflateInit2_(void *, int level, int method, int windowBits, int memLevel, int strategy, const char *version, int size)",
  );
  // zlib remembers where the stream lies, so it must never move.
  const stream = Buffer.from(new ArrayBuffer(Z_STREAM_BYTES));
  const result = init(
    stream,
    Z_DEFAULT_COMPRESSION,
    Z_DEFLATED,
    -windowBits,
    9,
    0,
    "1",
    Z_STREAM_BYTES,
  );
  if (result !== Z_OK) throw new Error(`deflateInit2 returned ${result}`);
  return {
    stream,
    reset: libz.func("int deflateReset(void *)"),
    deflate: libz.func("int deflate(void *, int flush)"),
  };
}

/** Deflates one buffer after the other, raw (RFC 1951), with one stream that is used again. */
export class Deflater {
  readonly #bound: ReturnType<typeof bind>;
  readonly #output: Buffer;

  /**
   * @param mostBytes of one input; at most as many come out.
   * @throws Failure ToolMissing where there is no zlib.
   */
  constructor(windowBits: number, mostBytes: number) {
    try {
      this.#bound = bind(windowBits);
    } catch (error) {
      throw new Failure(
        "ToolMissing",
        `libz.so.1 cannot be used (${messageOf(error)}). Install Debian's package zlib1g.`,
      );
    }
    this.#output = Buffer.allocUnsafeSlow(mostBytes);
  }

  /** The deflated input, until the next call; null where it would not be smaller. */
  deflate(input: Buffer): Buffer | null {
    const { stream, reset, deflate } = this.#bound;
    reset(stream);
    stream.writeBigUInt64LE(koffi.address(input), Field.nextIn);
    stream.writeUInt32LE(input.length, Field.availIn);
    stream.writeBigUInt64LE(koffi.address(this.#output), Field.nextOut);
    stream.writeUInt32LE(input.length - 1, Field.availOut);
    if (deflate(stream, Z_FINISH) !== Z_STREAM_END) return null;
    return this.#output.subarray(0, Number(stream.readBigUInt64LE(Field.totalOut)));
  }
}
