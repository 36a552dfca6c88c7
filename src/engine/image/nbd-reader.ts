/** Reads an image from its server through libnbd (libnbd(3), nbd_block_status(3)). */
import koffi from "koffi";
import { Failure } from "../../report/reasons.ts";
import { messageOf, quote } from "../text.ts";
import type { Extent, ImageReader, NbdSource } from "./reader.ts";

const ALLOCATION = "base:allocation";
/** QEMU's own context: 0 nowhere, 1 in the top image, more further down the backing chain. */
const DEPTH = "qemu:allocation-depth";
/** The NBD protocol's NBD_STATE_ZERO, in answers about allocation. */
const STATE_ZERO = 2;
/** The image itself, in answers about depth. */
const DEPTH_OWN = 1;
/**
 * LIBNBD_CMD_FLAG_DF. An answer in parts has no place for an error: qemu-nbd then just hangs up,
 * and an image that cannot be read would look like a server that died.
 */
const DONT_FRAGMENT = 4;
/** LIBNBD_STRICT_MASK without LIBNBD_STRICT_FLAGS, which allows that flag for other calls only. */
const STRICT_BUT_FOR_FLAGS = 0x1f & ~2;
/** How far one block status request looks: the protocol carries 32 bits of length. */
const STATUS_BYTES = { least: 2 ** 26, most: 2 ** 31 };
/** An answer of fewer extents than this lets the next request look twice as far. */
const FEW_EXTENTS = 64;

type Handle = object;

interface StatusEntry extends Extent {
  readonly context: string;
  readonly value: number;
}

function bind() {
  // libnbd brings libz along. Whoever loads that first decides whether it calls itself or Node's
  // copy of it, in which our compression would crash: see libz.ts.
  koffi.load("libz.so.1", { deep: true });
  const libnbd = koffi.load("libnbd.so.0");
  const extent = koffi.proto(
    "int ImageDiffExtent(void *data, const char *context, uint64 offset, uint32 *entries, size_t count, int *error)",
  );
  koffi.struct("ImageDiffExtentCallback", {
    callback: koffi.pointer(extent),
    user: "void *",
    free: "void *",
  });
  return {
    extentPointer: koffi.pointer(extent),
    create: libnbd.func("void *nbd_create(void)"),
    close: libnbd.func("void nbd_close(void *)"),
    addContext: libnbd.func("int nbd_add_meta_context(void *, const char *)"),
    connect: libnbd.func("int nbd_connect_unix(void *, const char *)"),
    setStrictness: libnbd.func("int nbd_set_strict_mode(void *, uint32 checks)"),
    size: libnbd.func("int64 nbd_get_size(void *)"),
    error: libnbd.func("const char *nbd_get_error(void)"),
    errno: libnbd.func("int nbd_get_errno(void)"),
    read: libnbd.func(
      "int nbd_pread(void *, _Out_ void *buffer, size_t count, uint64 offset, uint32 flags)",
    ),
    status: libnbd.func(
      "int nbd_block_status(void *, uint64 count, uint64 offset, ImageDiffExtentCallback callback, uint32 flags)",
    ),
  };
}

let bound: ReturnType<typeof bind> | undefined;

/** libnbd is loaded when the first image needs it: raw images do without. */
function library(): ReturnType<typeof bind> {
  try {
    return (bound ??= bind());
  } catch (error) {
    throw new Failure(
      "ToolMissing",
      `libnbd.so.0 cannot be loaded (${messageOf(error)}). Install Debian's package libnbd0.`,
    );
  }
}

export class NbdReader implements ImageReader {
  readonly length: number;
  readonly #source: NbdSource;
  readonly #context: string;
  readonly #handle: Handle;
  readonly #callback: unknown;
  #entries: StatusEntry[] = [];
  #lookAhead = STATUS_BYTES.least;
  /** The last answer about data: spans are asked for in order, and one answer serves many. */
  #known: { start: number; end: number; data: Extent[] } = { start: 0, end: 0, data: [] };

  constructor(source: NbdSource) {
    const nbd = library();
    this.#source = source;
    this.#handle = nbd.create() as Handle;
    this.#context = source.extents === "data" ? ALLOCATION : DEPTH;
    nbd.setStrictness(this.#handle, STRICT_BUT_FOR_FLAGS);
    nbd.addContext(this.#handle, this.#context);
    if (nbd.connect(this.#handle, source.socket) !== 0)
      throw this.#failed("cannot be connected to");
    this.length = Math.min(source.length, Number(nbd.size(this.#handle)));
    this.#callback = koffi.register(
      (
        _data: unknown,
        context: string,
        offset: number | bigint,
        entries: unknown,
        count: number,
      ) => {
        const values = koffi.decode(entries, "uint32", count) as Uint32Array;
        let start = Number(offset);
        for (let index = 0; index + 1 < values.length; index += 2) {
          const end = start + (values[index] ?? 0);
          this.#entries.push({ context, start, end, value: values[index + 1] ?? 0 });
          start = end;
        }
        return 0;
      },
      nbd.extentPointer,
    );
  }

  #failed(what: string): Failure {
    // The server's own answer was that the image cannot be read; else the server is gone.
    const isInputError = library().errno() === koffi.os.errno["EIO"];
    return new Failure(
      isInputError ? "SourceReadFailed" : "ReaderFailed",
      `${quote(this.#source.name)} ${what} through qemu-nbd: ${library().error()}.`,
    );
  }

  /** One request: the answer may cover less than was asked for, but always something. */
  #status(start: number, end: number): StatusEntry[] {
    this.#entries = [];
    const count = Math.min(end - start, STATUS_BYTES.most);
    const callback = { callback: this.#callback, user: null, free: null };
    if (library().status(this.#handle, count, start, callback, 0) !== 0) {
      throw this.#failed("does not tell its extents");
    }
    const entries = this.#entries.filter(
      (entry) => entry.context === this.#context && entry.end > start,
    );
    if (entries.length === 0) throw this.#failed(`does not know ${this.#context}`);
    return entries;
  }

  #dataFrom(start: number, end: number): { start: number; end: number; data: Extent[] } {
    if (start < this.#known.start || start >= this.#known.end) {
      const ahead = Math.min(start + this.#lookAhead, this.length);
      const entries = this.#status(start, Math.max(end, ahead));
      const wider = entries.length < FEW_EXTENTS ? this.#lookAhead * 2 : STATUS_BYTES.least;
      this.#lookAhead = Math.min(wider, STATUS_BYTES.most);
      const wanted = (value: number): boolean =>
        this.#context === DEPTH ? value === DEPTH_OWN : (value & STATE_ZERO) === 0;
      const data = entries.filter((entry) => wanted(entry.value));
      this.#known = { start, end: entries.at(-1)?.end ?? end, data };
    }
    return this.#known;
  }

  nextData(offset: number): number {
    if (!this.#source.sparse) return Math.min(offset, this.length);
    let at = offset;
    while (at < this.length) {
      const known = this.#dataFrom(at, at + 1);
      const from = at;
      const next = known.data.find((extent) => extent.end > from);
      if (next !== undefined) return Math.max(at, next.start);
      at = known.end;
    }
    return this.length;
  }

  dataExtents(start: number, end: number): Extent[] {
    const limit = Math.min(end, this.length);
    if (start >= limit) return [];
    if (!this.#source.sparse) return [{ start, end: limit }];
    const extents: Extent[] = [];
    let at = start;
    while (at < limit) {
      const known = this.#dataFrom(at, limit);
      for (const extent of known.data) {
        const from = Math.max(at, extent.start);
        const to = Math.min(limit, extent.end);
        if (from < to) extents.push({ start: from, end: to });
      }
      at = known.end;
    }
    return extents;
  }

  read(buffer: Buffer, count: number, offset: number): void {
    const wanted = Math.max(0, Math.min(count, this.length - offset));
    if (wanted > 0 && library().read(this.#handle, buffer, wanted, offset, DONT_FRAGMENT) !== 0) {
      throw this.#failed(`cannot be read at byte ${offset}`);
    }
    if (wanted < count) buffer.fill(0, wanted, count);
  }

  /** QEMU reads ahead as it sees fit. */
  willRead(): void {}
  didRead(): void {}

  close(): void {
    koffi.unregister(this.#callback as Parameters<typeof koffi.unregister>[0]);
    library().close(this.#handle);
  }
}
