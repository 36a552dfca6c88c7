/** Command lines that are wrong, and those that only ask. */
import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Reason } from "../../src/report/reasons.ts";
import { imagediff } from "../support/command.ts";
import { expectFailure, expectRefusal, Scene } from "./scene.ts";
import manifest from "../../package.json" with { type: "json" };

type Wrong = readonly [
  args: readonly string[],
  says: ReadonlyArray<string | RegExp>,
  reason?: Reason,
];

/** Every one is told from its words alone: the images need not exist. */
async function expectUsage(cases: readonly Wrong[]): Promise<void> {
  const scene = new Scene();
  for (const [args, says, reason = "InvalidUsage"] of cases) {
    const [subcommand = "", ...rest] = args;
    const given = [subcommand, "--json", ...rest];
    await expectRefusal(scene, given, { reason, says, cwd: scene.folder });
  }
}

const names = ["-b", "base.raw", "modified.raw", "o.qcow2"];

test("names that are missing, too many or empty", async () => {
  await expectUsage([
    [["diff", "modified.raw", "o.qcow2"], ["-b BACKING_FILE"]],
    [["diff", "-b", "", "modified.raw", "o.qcow2"], ["-b BACKING_FILE"]],
    [
      ["diff", "-b", "base.raw"],
      ["FILENAME OUTPUT_FILENAME", "none"],
    ],
    [
      ["diff", "-b", "base.raw", "modified.raw"],
      ["2 names", "modified.raw"],
    ],
    [
      ["diff", ...names, "third"],
      ["2 names", "third"],
    ],
    [["diff", "-b", "base.raw", "", "o.qcow2"], ["FILENAME is empty"]],
    [["diff", "-b", "base.raw", "modified.raw", ""], ["OUTPUT_FILENAME is empty"]],
    [
      ["diff", "modified.raw", "o.qcow2", "-b"],
      ["-b <backing_file>", "argument missing"],
    ],
    [
      ["estimate", ...names],
      ["One name", "FILENAME"],
    ],
    [["verify", "o.qcow2"], ["--against"]],
    [["restore", "o.qcow2"], ["OVERLAY OUTPUT_FILENAME"]],
    [["chain"], ["OVERLAY"]],
  ]);
});

test("options that are unknown or take no such value", async () => {
  await expectUsage([
    [["diff", "--frobnicate", ...names], ["--frobnicate"]],
    [
      ["diff", "--forse", ...names],
      ["--forse", "--force"],
    ],
    [["frobnicate"], ["frobnicate"]],
    [["diff", "-F", "qcow3", ...names], ["-F", "qcow3", "qcow2"], "FormatNotSupported"],
    [["diff", "-f", "RAW", ...names], ["-f", "RAW", "parallels"], "FormatNotSupported"],
    [["diff", "-O", "vmdk", ...names], ["vmdk", /qcow2.*qed/], "FormatNotSupported"],
    [["diff", "-O", "raw", ...names], ["raw", /qcow2.*qed/], "FormatNotSupported"],
    [["diff", "-O", "", ...names], [/qcow2.*qed/], "FormatNotSupported"],
    [["estimate", "-O", "qed", ...names.slice(0, 3)], ["qcow2"], "FormatNotSupported"],
    [["restore", "-O", "vmdk", "a", "b"], ["vmdk", "raw", "qcow2"], "FormatNotSupported"],
    [
      ["diff", "--verify", "some", ...names],
      ["some", "none, metadata, full"],
    ],
    ...["0", "65", "-1", "1.5", "two", "", "1e1", "0x2"].map((count): Wrong => [
      ["diff", `--workers=${count}`, ...names],
      ["--workers", "1 to 64"],
    ]),
    [
      ["diff", "--stall-timeout", "0", ...names],
      ["--stall-timeout", "1 to 86400"],
    ],
  ]);
});

test("-o that is unknown, bad, contradictory or of the other format", async () => {
  await expectUsage(
    [
      [
        ["diff", "-o", "encryption=on", ...names],
        ["encryption", "cluster_size"],
      ],
      [
        ["diff", "-o", "size=1G", ...names],
        ["size", "cluster_size"],
      ],
      [
        ["diff", "-o", "data_file=/etc/passwd", ...names],
        ["data_file", "cluster_size"],
      ],
      [["diff", "-o", "=", ...names], ["no option"]],
      [
        ["diff", "-o", "cluster_size=3000", ...names],
        ["3000", "512 to 2097152"],
      ],
      [["diff", "-o", "cluster_size=4M", ...names], ["4M"]],
      [["diff", "-o", "cluster_size=", ...names], ["cluster_size"]],
      [["diff", "-o", "cluster_size", ...names], ["cluster_size"]],
      [["diff", "-o", "cluster_size=-65536", ...names], ["-65536"]],
      [
        ["diff", "-o", "cluster_size=4k,cluster_size=8k", ...names],
        ["twice", "4k", "8k"],
      ],
      [["diff", "-o", "cluster_size=4k", "-o", "cluster_size=8k", ...names], ["twice"]],
      [
        ["diff", "-o", "compat=0.10", ...names],
        ["compat", "1.1, v3"],
      ],
      [
        ["diff", "-o", "compression_type=lzma", ...names],
        ["lzma", "zstd"],
      ],
      [
        ["diff", "-o", "extended_l2=maybe", ...names],
        ["maybe", "on, off"],
      ],
      [
        ["diff", "-o", "extended_l2=on,cluster_size=8k", ...names],
        ["extended_l2", "16k|16384"],
      ],
      [
        ["diff", "-o", "refcount_bits=3", ...names],
        ["refcount_bits", "64"],
      ],
      [
        ["diff", "-O", "qed", "-o", "refcount_bits=8", ...names],
        ["qed", "refcount_bits"],
      ],
      [
        ["diff", "-O", "qed", "-o", "cluster_size=512", ...names],
        ["512", "4096"],
      ],
      [
        ["diff", "-O", "qed", "-c", ...names],
        ["-c", "qed"],
      ],
      [
        ["diff", "-F", "raw", "-o", "backing_fmt=qcow2", ...names],
        ["backing_fmt", "agree"],
      ],
    ].map(([args, says]) => [args ?? [], (says ?? []).map((word) => new RegExp(word))]),
  );
});

test("a backing file's name that cannot be recorded", async () => {
  await expectUsage(
    ["", "json:{}", "nbd://host/disk", "a\nb:c", "x".repeat(1024)].map((name): Wrong => [
      ["diff", "--backing-file", name, ...names],
      ["backing file's name"],
      "BackingFileRefused",
    ]),
  );
});

test("what is wrong is told in words as well as with --json", async () => {
  const ended = await imagediff(["diff", "-b", "x"]);
  expect(ended).toMatchObject({ exitCode: 2, stdout: "" });
  expect(ended.stderr).toMatch(/^imagediff: .*FILENAME OUTPUT_FILENAME.*\[InvalidUsage\]\n$/);

  const nothing = await imagediff([]);
  expect(nothing).toMatchObject({ exitCode: 2, stdout: "" });
  expect(nothing.stderr).toMatch(/^imagediff: .*subcommand.*--help.*\[InvalidUsage\]\n$/m);
});

test("--json is heeded wherever it stands, and not behind --", async () => {
  const scene = new Scene();
  const first = await scene.run(["diff", "--json", "-b", "x"]);
  expectFailure(first, { reason: "InvalidUsage", says: ["FILENAME"] });
  const behind = await scene.run(["diff", "-b", "x", "--", "--json"]);
  expect(behind).toMatchObject({ exitCode: 2, stdout: "" });
});

describe("help", () => {
  test.each([
    [["--help"], ["diff", "restore", "Exit codes"]],
    [["-h"], ["diff", "estimate"]],
    [["--version"], [`imagediff ${manifest.version}`]],
    [["help"], ["diff"]],
    [
      ["help", "diff"],
      ["BACKING_FILE", "--verify"],
    ],
    [
      ["diff", "--help"],
      ["-b <backing_file>", "--force", "-o help"],
    ],
    [["run", "--help"], ["--volumes"]],
    [
      ["diff", "-o", "help"],
      ["cluster_size", "extended_l2"],
    ],
    [
      ["diff", "-o", "?"],
      ["cluster_size", "lazy_refcounts"],
    ],
    [["diff", "-o?"], ["cluster_size"]],
    [
      ["diff", "-O", "qed", "-o", "help"],
      ["Options of qed", "4k to 64M"],
    ],
    [["diff", "-o", "help", "-b", "absent", "absent", "absent"], ["cluster_size"]],
  ])("%j", async (args, says) => {
    const ended = await imagediff(args);
    expect(ended).toMatchObject({ exitCode: 0, stderr: "" });
    for (const words of says) expect(ended.stdout).toContain(words);
  });

  test("qed's options are its own", async () => {
    const ended = await imagediff(["diff", "-O", "qed", "-o", "help"]);
    expect(ended.stdout).not.toMatch(/refcount_bits|compat/);
  });

  test("a value that looks like it is none", async () => {
    const scene = new Scene();
    const { modified, base, output } = scene;
    const args = ["--backing-file", "-o?", "-b", base, "-F", "raw", "-f", "raw", modified, output];
    expect(await scene.run(["diff", "--json", ...args])).toMatchObject({ exitCode: 0 });
    expect(existsSync(output)).toBe(true);
  });

  test("-o help for a format that has no backing files", async () => {
    const scene = new Scene();
    const ended = await scene.run(["diff", "--json", "-O", "vmdk", "-o", "help"]);
    expectFailure(ended, { reason: "FormatNotSupported", says: ["vmdk", /qcow2.*qed/] });
  });
});

test("no option lets a wrong run write anything", async () => {
  const scene = new Scene();
  await scene.run([...scene.diff("--force"), "one too many"]);
  expect(existsSync(scene.output)).toBe(false);
});
