import { expect, test } from "vitest";
import {
  describeOptions,
  optionHelp,
  parseOverlayOptions,
} from "../../../src/engine/overlay/options.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

const defaults = {
  format: "qcow2",
  clusterSize: 64 * KIB,
  compressionType: "zlib",
  compressed: false,
  extendedL2: false,
  lazyRefcounts: false,
  refcountBits: 16,
  backingFormat: null,
};

test("no options at all", () => {
  expect(parseOverlayOptions("qcow2", [], false)).toEqual(defaults);
  expect(parseOverlayOptions("qed", [], false)).toEqual({ ...defaults, format: "qed" });
});

test.each([
  ["cluster_size=512", { clusterSize: 512 }],
  ["cluster_size=4096", { clusterSize: 4096 }],
  ["cluster_size=4k", { clusterSize: 4 * KIB }],
  ["cluster_size=128K", { clusterSize: 128 * KIB }],
  ["cluster_size=128KiB", { clusterSize: 128 * KIB }],
  ["cluster_size=1M", { clusterSize: MIB }],
  ["cluster_size=2m", { clusterSize: 2 * MIB }],
  ["cluster_size=2097152", { clusterSize: 2 * MIB }],
  ["compat=1.1", {}],
  ["compat=v3", {}],
  ["compression_type=zstd", { compressionType: "zstd" }],
  ["compression_type=zlib", {}],
  ["extended_l2=on", { extendedL2: true }],
  ["extended_l2", { extendedL2: true }],
  ["extended_l2=off", {}],
  ["extended_l2=on,cluster_size=16k", { extendedL2: true, clusterSize: 16 * KIB }],
  ["lazy_refcounts=on", { lazyRefcounts: true }],
  ["refcount_bits=1", { refcountBits: 1 }],
  ["refcount_bits=64", { refcountBits: 64 }],
  ["backing_fmt=raw", { backingFormat: "raw" }],
  ["cluster_size=4k,cluster_size=4k", { clusterSize: 4 * KIB }],
  ["", {}],
  [",,refcount_bits=8,", { refcountBits: 8 }],
])("qcow2 takes %o", (text, expected) => {
  expect(parseOverlayOptions("qcow2", [text], false)).toEqual({ ...defaults, ...expected });
});

test("options add up over several -o", () => {
  const parsed = parseOverlayOptions("qcow2", ["cluster_size=1M", "refcount_bits=8"], true);
  expect(parsed).toEqual({ ...defaults, clusterSize: MIB, refcountBits: 8, compressed: true });
});

test.each([
  ["cluster_size=4k", 4 * KIB],
  ["cluster_size=64M", 64 * MIB],
])("qed takes %o", (text, clusterSize) => {
  expect(parseOverlayOptions("qed", [text], false).clusterSize).toBe(clusterSize);
});

test.each([
  ["qcow2", "cluster_size=256"],
  ["qcow2", "cluster_size=4M"],
  ["qcow2", "cluster_size=65535"],
  ["qcow2", "cluster_size=3k"],
  ["qcow2", "cluster_size=0"],
  ["qcow2", "cluster_size=-4096"],
  ["qcow2", "cluster_size=4096.0"],
  ["qcow2", "cluster_size=1e4"],
  ["qcow2", "cluster_size=0x1000"],
  ["qcow2", "cluster_size= 4k"],
  ["qcow2", "cluster_size=4kB"],
  ["qcow2", "cluster_size="],
  ["qcow2", "cluster_size"],
  ["qcow2", "cluster_size=4G"],
  ["qcow2", "compat=0.10"],
  ["qcow2", "compat=v2"],
  ["qcow2", "compression_type=lz4"],
  ["qcow2", "compression_type"],
  ["qcow2", "extended_l2=yes"],
  ["qcow2", "extended_l2=on,cluster_size=8k"],
  ["qcow2", "lazy_refcounts=1"],
  ["qcow2", "refcount_bits=0"],
  ["qcow2", "refcount_bits=3"],
  ["qcow2", "refcount_bits=128"],
  ["qcow2", "refcount_bits=016"],
  ["qcow2", "encryption=on"],
  ["qcow2", "data_file=secret"],
  ["qcow2", "preallocation=full"],
  ["qcow2", "Cluster_Size=4k"],
  ["qcow2", "=4k"],
  ["qcow2", "cluster_size=4k,cluster_size=8k"],
  ["qcow2", "__proto__=on"],
  ["qed", "cluster_size=512"],
  ["qed", "cluster_size=128M"],
  ["qed", "refcount_bits=16"],
  ["qed", "compat=1.1"],
] as const)("%s refuses %o", (format, text) => {
  expect(() => parseOverlayOptions(format, [text], false)).toThrow(
    expect.objectContaining({ reason: "InvalidUsage", exitCode: 2 }),
  );
});

test("qed is never compressed", () => {
  expect(() => parseOverlayOptions("qed", [], true)).toThrow(/qed overlays cannot be compressed/);
});

test("the help names every option of the format, and no other", () => {
  for (const format of ["qcow2", "qed"] as const) {
    const named = describeOptions(format)
      .split("\n")
      .flatMap((line) => /^ {2}(\w+) /.exec(line)?.[1] ?? []);
    const taken = optionHelp.filter((option) => option.formats.includes(format));
    expect(named).toEqual(taken.map(({ name }) => name));
  }
});
