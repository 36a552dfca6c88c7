/** The name by which an overlay records its backing file. */
import { realpathSync } from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { Failure } from "../../report/reasons.ts";
import { hasProtocol } from "../image/image.ts";
import { quote } from "../text.ts";

/**
 * QEMU takes a relative name from the overlay's own folder (qemu-img(1), "rebase"), not from
 * where the command was run, so a relative name is made anew for that folder. One that QEMU
 * would read as a protocol's, such as `a:b.img`, gets a `./`.
 * @param outputFolder the overlay's folder with every symbolic link resolved.
 */
export function backingNameFor(basePath: string, outputFolder: string): string {
  if (isAbsolute(basePath)) return basePath;
  const base = join(realpathSync(dirname(resolve(basePath))), basename(basePath));
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
