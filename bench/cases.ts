/** The engine's benchmarks: each case, what it competes with, and the ratio that is aimed at. */
import { spawnSync } from "node:child_process";
import { copyFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { OverlayResult } from "../src/report/schema.ts";
import type { Row } from "./document.ts";
import {
  change,
  copy,
  edit,
  GIB,
  KIB,
  makeBase,
  makeCold,
  makeCompressible,
  makeHole,
  makeWarm,
  MIB,
} from "./images.ts";
import { compete, median, ratio, type Contestant, type Timings } from "./measure.ts";
import { withDelay, withXfs } from "./storage.ts";

/** The bundle that the engine's image carries; bench/engine.ts has it made. */
const bundle = fileURLToPath(new URL("../dist/imagediff.mjs", import.meta.url));

export interface Setting {
  /** A folder on a real disk with room for the images. */
  readonly folder: string;
  readonly runs: number;
}

export type Case = (setting: Setting) => Promise<Row[]>;

interface Pair {
  readonly base: string;
  readonly modified: string;
  readonly overlay: string;
}

function pairIn(folder: string): Pair {
  const path = (name: string): string => join(folder, name);
  return { base: path("base.img"), modified: path("modified.img"), overlay: path("overlay.qcow2") };
}

function imagediff(
  pair: Pair,
  flags: readonly string[],
  onResult: (result: OverlayResult) => void = () => undefined,
): Contestant {
  const inputs = ["-F", "raw", "-f", "raw", "-b", pair.base, pair.modified, pair.overlay];
  return {
    name: "imagediff",
    prepare: () => rmSync(pair.overlay, { force: true }),
    command: [process.execPath, bundle, "diff", "--json", ...flags, ...inputs],
    onOutput: (stdout) =>
      onResult(JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as OverlayResult),
  };
}

function rebase(pair: Pair, flags = ""): Contestant {
  const output = `${pair.overlay}.rebase`;
  const create = 'qemu-img create -q -f qcow2 -F raw -b "$1" "$3"';
  const script = `${create} && qemu-img rebase ${flags} -F raw -b "$2" "$3"`;
  return {
    name: "rebase",
    prepare: () => rmSync(output, { force: true }),
    command: ["sh", "-c", script, "sh", pair.modified, pair.base, output],
  };
}

/**
 * The recipe with compression. Before QEMU 9.0 rebase had no -c: convert then packs what the
 * rebased overlay holds.
 */
function compressedRebase(pair: Pair): Contestant {
  const help = spawnSync("qemu-img", ["rebase", "--help"], { encoding: "utf8" }).stdout;
  if (/rebase .*\[-c\]/.test(help)) return rebase(pair, "-c");
  const plain = rebase(pair);
  const [, , script = "", ...names] = plain.command;
  const convert = 'qemu-img convert -c -O qcow2 -F raw -B "$2" "$3" "$3.c" && mv "$3.c" "$3"';
  return { ...plain, command: ["sh", "-c", `${script} && ${convert}`, ...names] };
}

const cat = (pair: Pair): Contestant => ({
  name: "cat",
  command: ["sh", "-c", 'cat "$1" "$2" >/dev/null', "sh", pair.base, pair.modified],
});

function cold(contestant: Contestant, pair: Pair): Contestant {
  return {
    ...contestant,
    prepare: () => {
      contestant.prepare?.();
      makeCold(pair.base, pair.modified);
    },
  };
}

const round = (value: number): string => value.toPrecision(3);

function seconds(timings: Timings): string {
  return [...timings].map(([name, runs]) => `${name} ${round(median(runs))} s`).join(", ");
}

function ratioRow(name: string, timings: Timings, other: string, aim: number): Row {
  const measured = ratio(timings, "imagediff", other);
  return {
    name,
    figures: seconds(timings),
    measured: `${round(measured)} of ${other}`,
    aim: `at most ${aim}`,
    met: measured <= aim,
  };
}

export const cached: Case = async ({ folder, runs }) => {
  const pair = pairIn(folder);
  makeBase(pair.base, 4 * GIB);
  copy(pair.base, pair.modified, "--sparse=always");
  change(pair.modified, 4 * GIB, 0.02, 64 * KIB);
  makeWarm(pair.base, pair.modified);
  const plain = compete([imagediff(pair, ["--verify", "none"]), rebase(pair), cat(pair)], runs);
  const proved = compete([imagediff(pair, ["--verify", "full"]), rebase(pair)], runs);
  const name = "4 GiB, 75% allocated, 2% changed, in the page cache";
  return [
    ratioRow(`${name}, not verified`, plain, "rebase", 0.35),
    ratioRow(`${name}, not verified`, plain, "cat", 0.75),
    ratioRow(`${name}, fully verified`, proved, "rebase", 1),
  ];
};

export const holes: Case = async ({ folder, runs }) => {
  const pair = pairIn(folder);
  makeHole(pair.base, 64 * GIB);
  makeHole(pair.modified, 64 * GIB);
  const timings = compete([imagediff(pair, ["--verify", "none"]), rebase(pair)], runs);
  return [ratioRow("two 64 GiB images that are all hole", timings, "rebase", 0.01)];
};

export const slow: Case = async ({ folder, runs }) => {
  const files = pairIn(folder);
  makeBase(files.base, 4 * GIB);
  copy(files.base, files.modified, "--sparse=always");
  change(files.modified, 4 * GIB, 0.02, 64 * KIB);
  const rows: Row[] = [];
  await withDelay([files.base, files.modified], 2, ([base = "", modified = ""]) => {
    const pair = { ...files, base, modified };
    const contestants = [imagediff(pair, ["--verify", "none"]), rebase(pair)];
    const timings = compete(
      contestants.map((contestant) => cold(contestant, pair)),
      runs,
    );
    rows.push(
      ratioRow("the same pair on storage with 2 ms a request, cold", timings, "rebase", 0.15),
    );
  });
  return rows;
};

export const reflink: Case = async ({ folder, runs }) => {
  const rows: Row[] = [];
  await withXfs(folder, 40 * GIB, (mount) => {
    const pair = pairIn(mount);
    makeBase(pair.base, 16 * GIB, 4);
    copy(pair.base, pair.modified, "--reflink=always");
    change(pair.modified, 16 * GIB, 0.001, 64 * KIB);
    let read = Number.NaN;
    let changed = Number.NaN;
    const ours = imagediff(pair, ["--verify", "none"], (result) => {
      read = result.work.bytesRead;
      changed = result.changes.dataBytes;
    });
    const timings = compete(
      [ours, rebase(pair)].map((contestant) => cold(contestant, pair)),
      runs,
    );
    const name = "16 GiB reflink copy on XFS, 0.1% changed, cold";
    rows.push(ratioRow(name, timings, "rebase", 0.02), {
      name: `${name}: bytes read`,
      figures: `${read} read, ${changed} changed`,
      measured: `${round(read / changed)} of the bytes changed`,
      aim: "at most 2",
      met: read <= 2 * changed,
    });
  });
  return rows;
};

function sizeRow(name: string, pair: Pair): Row {
  const [own, theirs] = [pair.overlay, `${pair.overlay}.rebase`].map(
    (path) => statSync(path).size,
  ) as [number, number];
  return {
    name,
    figures: `imagediff ${own} bytes, rebase ${theirs} bytes`,
    measured: `${round(own / theirs)} of rebase`,
    aim: "at most 1",
    met: own <= theirs,
  };
}

export const size: Case = async ({ folder, runs }) => {
  const pair = pairIn(folder);
  const disk = 512 * MIB;
  makeCompressible(pair.base, disk);
  copyFileSync(pair.base, pair.modified);
  change(pair.modified, disk, (100 * 4 * KIB) / disk, 4 * KIB);
  edit(pair.modified, (write) => write(Buffer.alloc(2 * MIB), 64 * MIB));
  compete([imagediff(pair, ["--verify", "none"]), rebase(pair)], 1);
  const rows = [sizeRow("overlay size: 2 MiB zeroed, 100 edits of 4 KiB", pair)];

  const other = join(folder, "compressible.img");
  makeCompressible(other, disk);
  copyFileSync(other, pair.modified);
  makeHole(join(folder, "empty.img"), disk);
  const packed = { ...pair, base: join(folder, "empty.img") };
  const timings = compete(
    [imagediff(packed, ["-c", "--verify", "none"]), compressedRebase(packed)],
    runs,
  );
  rows.push(
    sizeRow("overlay size: 512 MiB of new data, compressed (zlib)", packed),
    ratioRow("time: 512 MiB of new data, compressed (zlib)", timings, "rebase", 0.33),
  );
  return rows;
};

export const memory: Case = async ({ folder }) => {
  const pair = pairIn(folder);
  const rows: Row[] = [];
  const peak = (name: string, flags: string[]): void => {
    let bytes = Number.NaN;
    compete(
      [
        imagediff(
          pair,
          ["--verify", "none", ...flags],
          (result) => (bytes = result.work.peakMemoryBytes),
        ),
      ],
      1,
    );
    rows.push({
      name: `memory: ${name}`,
      figures: `${bytes} bytes at most`,
      measured: `${Math.round(bytes / MIB)} MiB`,
      aim: "under 200 MiB",
      met: bytes < 200 * MIB,
    });
  };
  makeBase(pair.base, 2 * GIB, 4);
  makeHole(pair.modified, 2 * GIB);
  change(pair.modified, 2 * GIB, 1, 4 * MIB);
  peak("2 GiB, all of it changed", []);
  peak("2 GiB, all of it changed, clusters of 512 bytes", ["-o", "cluster_size=512"]);
  for (const path of [pair.base, pair.modified]) rmSync(path);
  const tebibytes = 15.99 * 1024 * GIB;
  makeHole(pair.base, Math.floor(tebibytes));
  makeHole(pair.modified, Math.floor(tebibytes));
  edit(pair.modified, (write) => {
    for (let at = 0; at < tebibytes - MIB; at += 16 * GIB) write(Buffer.alloc(64 * KIB, 1), at);
  });
  peak("16 TiB sparse, changed every 16 GiB", []);
  return rows;
};
