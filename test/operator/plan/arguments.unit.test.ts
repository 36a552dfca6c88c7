import { expect, test } from "vitest";
import { engineArguments } from "../../../src/operator/plan/arguments.ts";
import { resourceWith, volumesWith } from "./resources.ts";

const claims = "--volume /volumes/golden --volume /volumes/web-01-root";

const golden: [
  name: string,
  changes: Record<string, unknown>,
  block: string[],
  commandLine: string,
][] = [
  [
    "the defaults",
    {},
    [],
    `diff --json -b /volumes/golden/disk.img -F raw -f raw -O qcow2 -o cluster_size=65536 ${claims} --volume /volumes/thin-images --verify full --backing-file=../golden/disk.img --require-backing --accept-same -- /volumes/web-01-root/disk.img /volumes/thin-images/web-01.qcow2`,
  ],
  [
    "everything else than the defaults",
    {
      "spec.base": { claimName: "golden", path: "f/42.vmdk", format: "vmdk" },
      "spec.modified": { claimName: "web-01-root", path: "d.vhdx", format: "vhdx" },
      "spec.output": {
        claimName: "thin-images",
        path: "vms/web/01.img",
        compression: "Zstd",
        clusterSize: "2Mi",
        overwrite: true,
        backingFile: "base.img",
      },
      "spec.verification": "None",
      "spec.allowSizeDifference": true,
    },
    [],
    `diff --json -b /volumes/golden/f/42.vmdk -F vmdk -f vhdx -O qcow2 -o cluster_size=2097152,compression_type=zstd -c --allow-size-difference ${claims} --volume /volumes/thin-images --verify none --backing-file=base.img --force -- /volumes/web-01-root/d.vhdx /volumes/thin-images/vms/web/01.img`,
  ],
  [
    "an output two folders deep",
    { "spec.output.path": "a/b.qcow2", "spec.verification": "Metadata" },
    [],
    `diff --json -b /volumes/golden/disk.img -F raw -f raw -O qcow2 -o cluster_size=65536 ${claims} --volume /volumes/thin-images --verify metadata --backing-file=../../golden/disk.img --require-backing --accept-same -- /volumes/web-01-root/disk.img /volumes/thin-images/a/b.qcow2`,
  ],
  [
    "all in one claim, zlib",
    {
      "spec.modified": { claimName: "golden", path: "new.img" },
      "spec.output.claimName": "golden",
      "spec.output.compression": "Zlib",
    },
    [],
    "diff --json -b /volumes/golden/disk.img -F raw -f raw -O qcow2 -o cluster_size=65536,compression_type=zlib -c --volume /volumes/golden --verify full --backing-file=../golden/disk.img --require-backing --accept-same -- /volumes/golden/new.img /volumes/golden/web-01.qcow2",
  ],
  [
    "Block claims",
    { "spec.base.path": "ignored.img" },
    ["golden", "web-01-root"],
    `diff --json -b /volumes/golden -F raw -f raw -O qcow2 -o cluster_size=65536 ${claims} --volume /volumes/thin-images --verify full --backing-file=../golden --require-backing --accept-same -- /volumes/web-01-root /volumes/thin-images/web-01.qcow2`,
  ],
  [
    "qed",
    { "spec.output.format": "qed", "spec.output.clusterSize": "4Ki" },
    [],
    `diff --json -b /volumes/golden/disk.img -F raw -f raw -O qed -o cluster_size=4096 ${claims} --volume /volumes/thin-images --verify full --backing-file=../golden/disk.img --require-backing --accept-same -- /volumes/web-01-root/disk.img /volumes/thin-images/web-01.qed`,
  ],
  [
    "an estimate without an output claim",
    { "spec.mode": "Estimate", "spec.output": { compression: "Zstd" } },
    [],
    `estimate --json -b /volumes/golden/disk.img -F raw -f raw -O qcow2 -o cluster_size=65536,compression_type=zstd -c ${claims} -- /volumes/web-01-root/disk.img`,
  ],
  [
    "an estimate with one",
    { "spec.mode": "Estimate", "spec.output.overwrite": true },
    ["thin-images"],
    `estimate --json -b /volumes/golden/disk.img -F raw -f raw -O qcow2 -o cluster_size=65536 ${claims} -- /volumes/web-01-root/disk.img`,
  ],
];

test.each(golden)("%s", (_, changes, block, commandLine) => {
  expect(engineArguments(resourceWith(changes), volumesWith(...block)).join(" ")).toBe(commandLine);
});

test("an overlay cannot be written to a Block claim", () => {
  expect(() => engineArguments(resourceWith(), volumesWith("thin-images"))).toThrow(
    expect.objectContaining({
      reason: "OutputNotWritable",
      message: expect.stringContaining("spec.output.claimName: thin-images is a Block claim"),
    }),
  );
});
