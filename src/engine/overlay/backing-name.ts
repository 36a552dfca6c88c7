/** The name by which an overlay records its backing file. */
import { realpathSync } from "node:fs";
import { basename, dirname, isAbsolute, join, relative } from "node:path";
import { Failure } from "../../report/reasons.ts";
import { isSameFile, type ImageFile } from "../image/file.ts";
import { hasProtocol } from "../image/image.ts";
import { quote } from "../text.ts";
import type { OutputFile } from "./output-file.ts";

/**
 * QEMU takes a relative name from the overlay's own folder (qemu-img(1), "rebase"), not from
 * where the command was run, so a relative name is made anew for that folder. One that QEMU
 * would read as a protocol's, such as `a:b.img`, gets a `./`.
 * @param outputFolder the overlay's folder with every symbolic link resolved.
 */
export function backingNameFor(basePath: string, outputFolder: string): string {
  if (isAbsolute(basePath)) return basePath;
  // The kernel's way: a `..` after a symbolic link leads up from where the link points to.
  const base = join(realpathSync.native(dirname(basePath)), basename(basePath));
  const name = relative(outputFolder, base);
  return hasProtocol(name) ? `./${name}` : name;
}

/**
 * Checks a name that the user wants recorded.
 * @throws Failure BackingFileRefused
 */
export function requireBackingName(name: string): string {
  const refuse = (why: string): Failure =>
    new Failure("BackingFileRefused", `The backing file's name ${quote(name)} ${why}.`);
  if (name === "") throw refuse("is empty");
  if (name.includes("\0")) throw refuse("holds a NUL byte");
  if (hasProtocol(name)) {
    throw refuse(
      "would be read as a protocol's, not as a file's; for a file whose name has a colon, begin it with ./",
    );
  }
  const bytes = Buffer.byteLength(name);
  if (bytes > 1023) throw refuse(`has ${bytes} bytes; at most 1023 can be recorded`);
  return name;
}

/**
 * Makes sure that a name leads from the overlay's folder to the base, and to no other file: symbolic
 * links may lead elsewhere than a path looks.
 * @throws Failure BackingFileRefused
 */
export function requireFindsBase(name: string, output: OutputFile, base: ImageFile): void {
  const found = output.find(name);
  if (found !== undefined && isSameFile(found, base.opened)) return;
  throw new Failure(
    "BackingFileRefused",
    `From the folder of ${quote(output.finalPath)}, the name ${quote(name)} leads ` +
      `${found === undefined ? "nowhere" : "to another file"}, not to the base ${quote(base.path)}: ` +
      "name the images without symbolic links in their paths, or another backing file, by --backing-file or spec.output.backingFile.",
  );
}
