/** Disks of virtual machines: a golden image with a real file system, and copies that have lived. */
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll } from "vitest";
import { must } from "../support/command.ts";
import { bytesOf } from "../support/raw-image.ts";

const MiB = 2 ** 20;
const blockSize = 4096;

/** The files of a golden image. */
const files: Readonly<Record<string, () => Buffer | string>> = {
  "etc/hostname": () => "golden\n",
  "var/log/syslog": () => lines("golden systemd[1]: Started unit", 60_000),
  "var/cache/packages.bin": () => bytesOf("noise", 8 * MiB, 1),
  "srv/site.bin": () => bytesOf("noise", 24 * MiB, 2),
};

function lines(text: string, count: number): string {
  return Array.from({ length: count }, (_, number) => `${text} ${number}.\n`).join("");
}

export class Disks {
  #folder = "";
  #golden: Promise<string> | undefined;

  /** For the tests of one file. */
  constructor() {
    beforeAll(() => {
      this.#folder = mkdtempSync(join(tmpdir(), "imagediff-disks-"));
      return () => rmSync(this.#folder, { recursive: true, force: true });
    });
  }

  /** The path of a raw image of 96 MiB with an ext4 file system. */
  async golden(): Promise<string> {
    this.#golden ??= this.#makeGolden();
    return this.#golden;
  }

  /**
   * The path of a full copy whose file system has been used since: files are new, changed and
   * deleted, and what one of them took was zeroed, as zerofree does in a guest.
   */
  async clone(name: string): Promise<string> {
    const path = join(this.#folder, `${name}.img`);
    await must("cp", ["--sparse=always", await this.golden(), path]);
    const freed = await blocksOf(path, "/var/cache/packages.bin");
    const [hostname, syslog, upload] = ["hostname", "syslog", "upload"].map((each) =>
      join(this.#folder, `${name}.${each}`),
    ) as [string, string, string];
    writeFileSync(hostname, `${name}\n`);
    writeFileSync(syslog, lines(`${name} nginx[80]: GET /page`, 40_000));
    writeFileSync(upload, bytesOf("noise", 2 * MiB, seedOf(name)));
    const life = join(this.#folder, `${name}.life`);
    writeFileSync(
      life,
      ["rm /etc/hostname", `write ${hostname} /etc/hostname`, "rm /var/log/syslog"]
        .concat(`write ${syslog} /var/log/syslog`, "mkdir /srv/uploads")
        // Nothing is written after the last file goes: its blocks stay free.
        .concat(`write ${upload} /srv/uploads/upload.bin`, "rm /var/cache/packages.bin")
        .join("\n"),
    );
    await must("debugfs", ["-w", "-f", life, path]);
    zero(path, freed);
    await must("e2fsck", ["-fn", path]);
    return path;
  }

  /** The same disk in another format. */
  async as(format: "qcow2" | "vmdk", raw: string): Promise<string> {
    const path = `${raw}.${format}`;
    await must("qemu-img", ["convert", "-f", "raw", "-O", format, raw, path]);
    return path;
  }

  async #makeGolden(): Promise<string> {
    const tree = join(this.#folder, "tree");
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(join(tree, name, ".."), { recursive: true });
      writeFileSync(join(tree, name), content());
    }
    const path = join(this.#folder, "golden.img");
    await must("mke2fs", ["-q", "-t", "ext4", "-b", String(blockSize), "-d", tree, path, "96M"]);
    return path;
  }
}

function seedOf(name: string): number {
  return Buffer.from(name).reduce((seed, byte) => (seed * 31 + byte) % 2 ** 31, 7);
}

/** The numbers of a file's blocks in the image of its file system. */
async function blocksOf(image: string, file: string): Promise<number[]> {
  const told = await must("debugfs", ["-R", `blocks ${file}`, image]);
  return told.trim().split(/\s+/).map(Number);
}

/** Writes zeroes where a file has been that is deleted. */
function zero(image: string, blocks: readonly number[]): void {
  const file = openSync(image, "r+");
  const zeroes = Buffer.alloc(blockSize);
  for (const block of blocks) writeSync(file, zeroes, 0, blockSize, block * blockSize);
  closeSync(file);
}

/** How many bytes of a disk have changed, in whole clusters: what an overlay has to hold. */
export async function changesOf(
  base: string,
  modified: string,
  cluster = 65_536,
): Promise<{ dataBytes: number; zeroBytes: number; identicalBytes: number }> {
  const [before, after] = await Promise.all([readFile(base), readFile(modified)]);
  const changes = { dataBytes: 0, zeroBytes: 0, identicalBytes: 0 };
  for (let start = 0; start < after.length; start += cluster) {
    const now = after.subarray(start, start + cluster);
    const same = now.equals(before.subarray(start, start + cluster));
    const kind = same ? "identicalBytes" : isZero(now) ? "zeroBytes" : "dataBytes";
    changes[kind] += now.length;
  }
  return changes;
}

function isZero(bytes: Buffer): boolean {
  return bytes.equals(Buffer.alloc(bytes.length));
}
