/** Images made to mislead: real ones whose bytes are changed, each beside a secret file. */
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { must, run } from "../support/command.ts";
import { testFolder } from "../support/folder.ts";
import { expectRefusal, MiB, patch, Scene, type Expected } from "./scene.ts";

export const SECRET = "this-is-the-secret-of-somebody-else";

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

/** Where in a qcow2 header its fields are (docs/interop/qcow2 in QEMU's source tree). */
export const Qcow2 = {
  version: 4,
  backingOffset: 8,
  backingLength: 16,
  clusterBits: 20,
  size: 24,
  crypt: 32,
  l1Entries: 36,
  l1Offset: 40,
  refcountOffset: 48,
  refcountClusters: 56,
  snapshots: 60,
  incompatible: 72,
  headerLength: 100,
  extensions: 112,
} as const;

export class Hostile {
  readonly scene = new Scene();
  /** Outside of the scene's folder. */
  readonly secret = join(testFolder(), "secret.raw");
  readonly image = join(this.scene.folder, "image");

  constructor() {
    writeFileSync(this.secret, SECRET.padEnd(8 * MiB, "."));
  }

  /** The image that patches begin from. */
  async create(format: string, ...options: string[]): Promise<void> {
    await must("qemu-img", ["create", "-q", "-f", format, ...options, this.image, "8M"]);
  }

  /** A copy of the modified disk in some format. */
  async convert(format: string, ...options: string[]): Promise<void> {
    await must("qemu-img", [
      ...["convert", "-f", "raw", "-O", format, ...options, this.scene.modified, this.image],
    ]);
  }

  patch(offset: number, bytes: Buffer | string): void {
    patch(this.image, offset, bytes);
  }

  /** Writes a qcow2 backing file's name, and its format as the only header extension. */
  nameBacking(name: string, format: string | null): void {
    const extension = Buffer.alloc(format === null ? 16 : 32);
    if (format !== null) {
      extension.writeUInt32BE(0xe2792aca, 0);
      extension.writeUInt32BE(format.length, 4);
      extension.write(format, 8);
    }
    this.patch(Qcow2.extensions, extension);
    this.patch(1024, name);
    this.patch(Qcow2.backingOffset, u64(1024n));
    this.patch(Qcow2.backingLength, u32(Buffer.byteLength(name)));
  }

  args(side: "base" | "modified", format: string | null): string[] {
    const { base, modified, output } = this.scene;
    const declared = format === null ? [] : [side === "base" ? "-F" : "-f", format];
    return side === "base"
      ? ["diff", "--json", ...declared, "-b", this.image, "-f", "raw", modified, output]
      : ["diff", "--json", ...declared, "-b", base, "-F", "raw", this.image, output];
  }

  /** Whether QEMU, left to itself, would open the secret: else the test would prove nothing. */
  async qemuWouldOpenIt(): Promise<boolean> {
    const trace = join(testFolder(), "trace");
    const by = ["-f", "-y", "-qq", "-o", trace, "-e", "trace=open,openat"];
    await run("strace", [...by, "qemu-img", "convert", "-O", "raw", this.image, `${trace}.raw`]);
    return readFileSync(trace, "latin1").includes(`<${this.secret}>`);
  }

  copyTo(name: string): void {
    copyFileSync(this.image, join(this.scene.folder, name));
  }
}

/** Refused as modified and as base, and the secret is opened by nobody. */
export async function expectUnopened(
  hostile: Hostile,
  format: string | null,
  expected: Expected,
): Promise<void> {
  for (const side of ["modified", "base"] as const) {
    const trace = join(testFolder(), "trace");
    const options = ["-f", "-y", "-qq", "-o", trace];
    const by = ["strace", ...options, "-e", "trace=open,openat,openat2,execve"];
    const args = hostile.args(side, format);
    const failure = await expectRefusal(hostile.scene, args, { ...expected, by });
    const opened = readFileSync(trace, "latin1");
    expect(opened).toContain(`<${hostile.image}>`);
    expect(opened).not.toContain(`"${hostile.secret}"`);
    expect(opened).not.toContain(`<${hostile.secret}>`);
    expect(failure.message).not.toContain(SECRET);
  }
}
