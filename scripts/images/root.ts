/** The files of one image: taken one by one, each with what it cannot do without. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { canonical } from "./debian.ts";

/** Where the dynamic linker looks for libraries: Debian's are in a folder for each architecture. */
const libraryFolders: Record<string, string> = {
  amd64: "/usr/lib/x86_64-linux-gnu",
  arm64: "/usr/lib/aarch64-linux-gnu",
};

export class Root {
  /** Paths of files that were taken from Debian's packages. */
  readonly taken = new Set<string>();
  readonly #folder: string;
  readonly #debian: string;
  readonly #libraries: string;

  /**
   * @param folder becomes the image's root.
   * @param debian a root with every file of the packages.
   */
  constructor(folder: string, debian: string, architecture: string) {
    this.#folder = folder;
    this.#debian = debian;
    const libraries = libraryFolders[architecture];
    if (libraries === undefined) throw new Error(`no image for ${architecture}: amd64 or arm64`);
    this.#libraries = libraries;
    // Interpreters and scripts name programs by their old paths.
    for (const name of ["bin", "lib", "lib64"]) {
      mkdirSync(join(folder, "usr", name), { recursive: true });
      symlinkSync(`usr/${name}`, join(folder, name));
    }
  }

  /** A file of Debian's, with the libraries that it is linked with; a link with its target. */
  take(path: string): void {
    const wanted = canonical(path);
    if (this.taken.has(wanted)) return;
    this.taken.add(wanted);
    const source = join(this.#debian, wanted);
    const found = lstatSync(source);
    if (found.isSymbolicLink()) {
      const target = readlinkSync(source);
      this.link(target, wanted);
      this.take(resolve(dirname(wanted), target));
    } else {
      this.copy(source, wanted);
    }
  }

  /** A library of Debian's by the name that programs load it under. */
  takeLibrary(name: string): void {
    this.take(join(this.#libraries, name));
  }

  /** Any file, with the libraries that it is linked with if it is a program. */
  copy(source: string, path: string): void {
    const target = this.#place(path);
    copyFileSync(source, target);
    chmodSync(target, (lstatSync(source).mode & 0o111) === 0 ? 0o644 : 0o755);
    this.#takeNeeded(source);
  }

  write(path: string, text: string): void {
    writeFileSync(this.#place(path), text);
  }

  link(target: string, path: string): void {
    symlinkSync(target, this.#place(path));
  }

  makeFolder(path: string, mode = 0o755): void {
    mkdirSync(join(this.#folder, path), { recursive: true });
    chmodSync(join(this.#folder, path), mode);
  }

  #place(path: string): string {
    const target = join(this.#folder, path);
    mkdirSync(dirname(target), { recursive: true });
    return target;
  }

  #takeNeeded(file: string): void {
    if (!/\.so(\.|$)|\.node$|\/bin\//.test(file)) return;
    const told = execFileSync("readelf", ["--dynamic", "--program-headers", "--wide", file], {
      encoding: "utf8",
      maxBuffer: 1 << 26,
    });
    for (const [, name = ""] of told.matchAll(/\(NEEDED\).*\[(.+)\]/g)) this.takeLibrary(name);
    const [, interpreter] = /Requesting program interpreter: (.+)\]/.exec(told) ?? [];
    if (interpreter !== undefined && existsSync(join(this.#debian, interpreter))) {
      this.take(interpreter);
    }
  }
}
