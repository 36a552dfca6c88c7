/** Makes the pairs of images that the benchmarks compare. */
import { randomBytes } from "node:crypto";
import { closeSync, constants, fsyncSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { runOnce } from "./measure.ts";

export const KIB = 2 ** 10;
export const MIB = 2 ** 20;
export const GIB = 2 ** 30;

/** The same numbers in every run of the benchmark. */
function* numbers(seed: number): Generator<number> {
  let state = seed >>> 0;
  for (;;) {
    // A linear congruential generator (Numerical Recipes); plenty for choosing places.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

type Write = (bytes: Buffer, offset: number) => void;

/** Opens or makes a file, lets `work` write to it, and brings it onto storage. */
export function edit(path: string, work: (write: Write, fd: number) => void): void {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644);
  try {
    work((bytes, offset) => void writeSync(fd, bytes, 0, bytes.length, offset), fd);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** A disk of which the first three of every four runs of 4 MiB hold data that does not compress. */
export function makeBase(path: string, size: number, dataRuns = 3): void {
  const block = randomBytes(MIB);
  edit(path, (write, fd) => {
    ftruncateSync(fd, size);
    for (let at = 0; at < size; at += MIB) {
      if (Math.floor(at / (4 * MIB)) % 4 >= dataRuns) continue;
      block.writeDoubleLE(at, 0);
      write(block, at);
    }
  });
}

export function makeHole(path: string, size: number): void {
  edit(path, (_, fd) => ftruncateSync(fd, size));
}

export function copy(from: string, to: string, how: "--sparse=always" | "--reflink=always"): void {
  runOnce(["cp", how, from, to]);
}

/** Overwrites `share` of the disk with new data, `length` bytes at a time, at aligned places. */
export function change(path: string, size: number, share: number, length: number): void {
  const places = numbers(1);
  edit(path, (write) => {
    for (let done = 0; done < size * share; done += length) {
      const place = Math.floor((places.next().value ?? 0) * Math.floor(size / length));
      write(randomBytes(length), place * length);
    }
  });
}

/** Data that compresses about as well as an installed system's files do. */
export function makeCompressible(path: string, size: number): void {
  const words = Array.from({ length: 4096 }, () => randomBytes(6).toString("hex"));
  const places = numbers(2);
  edit(path, (write) => {
    for (let at = 0; at < size; at += MIB) {
      let text = "";
      while (text.length < MIB) text += `${words[Math.floor((places.next().value ?? 0) * 4096)]} `;
      write(Buffer.from(text.slice(0, MIB)), at);
    }
  });
}

/** Writes an image's dirty pages out and takes it out of the page cache. */
export function makeCold(...paths: string[]): void {
  for (const path of paths) {
    runOnce(["sync", path]);
    runOnce(["dd", `if=${path}`, "iflag=nocache", "count=0", "status=none"]);
  }
}

/** Reads an image into the page cache. */
export function makeWarm(...paths: string[]): void {
  for (const path of paths) runOnce(["dd", `if=${path}`, "of=/dev/null", "bs=1M", "status=none"]);
}
