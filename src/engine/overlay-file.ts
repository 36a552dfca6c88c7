/** Opening an overlay that a user names as one, with all that it rests on. */
import { closeSync } from "node:fs";
import { Failure } from "../report/reasons.ts";
import { openImageFile } from "./image/file.ts";
import { detectFormat } from "./image/format.ts";
import { closeImage, openImage, type Image } from "./image/image.ts";
import type { Volume } from "./image/volumes.ts";
import { quote } from "./text.ts";

/**
 * An overlay of our own making, unlike a guest's disk, may lead to its base wherever that is;
 * `volumes`, if there are any, bound the chain.
 * @throws Failure ImageInvalid where it is neither qcow2 nor qed; all that openImage throws.
 */
export function openOverlay(
  path: string,
  volumes: readonly Volume[],
  cleanup: DisposableStack,
): Image {
  const role = "The overlay";
  const probe = openImageFile(path, role);
  const format = detectFormat(probe.fd);
  closeSync(probe.fd);
  if (format !== "qcow2" && format !== "qed") {
    throw new Failure("ImageInvalid", `${role} ${quote(path)} is neither a qcow2 nor a qed image.`);
  }
  return cleanup.adopt(
    openImage({ role, path, format, volumes, backing: "AnyVolume" }),
    closeImage,
  );
}
