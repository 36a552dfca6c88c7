/** What tests expect of an ImageDiff and of the images that it is about. */
import { expect } from "vitest";
import { must } from "../support/command.ts";
import { checksum, type Place, type Scene } from "./scene.ts";

/** Expects that it waits for that reason, and says all these words. */
export async function expectWaiting(
  here: Scene,
  reason: string,
  words: readonly string[],
  name = "web-01",
): Promise<void> {
  const { status } = await here.ready(reason, name);
  expect(status.conditions).toContainEqual(
    expect.objectContaining({ type: "Reconciling", status: "True", reason }),
  );
  const message = status.conditions?.find(({ type }) => type === "Ready")?.message;
  for (const word of words) expect(message, `what ${name} says`).toContain(word);
}

/**
 * Expects that QEMU, outside of the cluster, finds nothing wrong with the overlay, and reads from
 * it over base exactly modified; and that neither of the two was written to.
 */
export async function expectOverlay(
  here: Scene,
  { base, modified, overlay }: { base: Place; modified: Place; overlay: Place },
): Promise<void> {
  // Outside, the claims do not lie side by side: the recorded name leads nowhere.
  const over = [
    ...optionsOf(here, overlay, "qcow2"),
    ...optionsOf(here, base).map((option) => `backing.${option}`),
  ].join();
  await must("qemu-img", ["check", "--image-opts", over]);
  const whole = optionsOf(here, modified).join();
  const said = await must("qemu-img", ["compare", "--image-opts", over, whole]);
  expect(said).toBe("Images are identical.\n");
  await expectUntouched(here, [base, modified]);
}

/** An image as `--image-opts` names it. */
function optionsOf(here: Scene, place: Place, format = place.format ?? "raw"): string[] {
  return [`driver=${format}`, "file.driver=file", `file.filename=${here.see(place)}`];
}

/**
 * Expects that nothing was written to images since they were put into their claims.
 * @param places of all of them unless given.
 */
export async function expectUntouched(here: Scene, places?: readonly Place[]): Promise<void> {
  const asked = places?.map((place) => here.see(place));
  for (const [path, before] of here.sources) {
    if (asked?.includes(path) === false) continue;
    expect(await checksum(path), `the bytes of ${path}`).toBe(before);
  }
}
