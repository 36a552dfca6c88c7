/** The few numbers that all threads of a scan share. */

const Slot = { nextSpan: 0, cancelled: 1, activity: 2, firstWorker: 3 } as const;
const Counter = { bytesDone: 0, bytesRead: 1 } as const;
const COUNTER_BYTES = 16;

export class SharedState {
  readonly buffer: SharedArrayBuffer;
  readonly #counters: BigInt64Array;
  readonly #slots: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#counters = new BigInt64Array(buffer, 0, 2);
    this.#slots = new Int32Array(buffer, COUNTER_BYTES);
  }

  static forWorkers(count: number): SharedState {
    const slots = Slot.firstWorker + count;
    return new SharedState(new SharedArrayBuffer(COUNTER_BYTES + slots * 4));
  }

  /** The next span that nobody has taken. */
  get nextSpan(): number {
    return Atomics.load(this.#slots, Slot.nextSpan);
  }

  /** Takes all spans from `from` up to `end`; false where another thread was first. */
  take(from: number, end: number): boolean {
    return Atomics.compareExchange(this.#slots, Slot.nextSpan, from, end) === from;
  }

  get cancelled(): boolean {
    return Atomics.load(this.#slots, Slot.cancelled) !== 0;
  }

  /** Makes every worker stop before its next read. */
  cancel(): void {
    Atomics.store(this.#slots, Slot.cancelled, 1);
    for (let slot = Slot.firstWorker; slot < this.#slots.length; slot++) {
      Atomics.notify(this.#slots, slot);
    }
  }

  /** Changes whenever any worker gets anything done. */
  get activity(): number {
    return Atomics.load(this.#slots, Slot.activity);
  }

  didRead(bytes: number): void {
    Atomics.add(this.#slots, Slot.activity, 1);
    Atomics.add(this.#counters, Counter.bytesRead, BigInt(bytes));
  }

  didFinish(bytes: number): void {
    Atomics.add(this.#slots, Slot.activity, 1);
    Atomics.add(this.#counters, Counter.bytesDone, BigInt(bytes));
  }

  get bytesDone(): number {
    return Number(Atomics.load(this.#counters, Counter.bytesDone));
  }

  get bytesRead(): number {
    return Number(Atomics.load(this.#counters, Counter.bytesRead));
  }

  /** Tells a worker that one more message waits for it. */
  wake(worker: number): void {
    Atomics.add(this.#slots, Slot.firstWorker + worker, 1);
    Atomics.notify(this.#slots, Slot.firstWorker + worker);
  }

  /** How often a worker has been woken. */
  wakes(worker: number): number {
    return Atomics.load(this.#slots, Slot.firstWorker + worker);
  }

  /** Waits, in a worker, until it has been woken more than `seen` times. */
  waitForWake(worker: number, seen: number): void {
    const slot = Slot.firstWorker + worker;
    while (!this.cancelled && Atomics.load(this.#slots, slot) <= seen) {
      Atomics.wait(this.#slots, slot, seen, 1000);
    }
  }
}
