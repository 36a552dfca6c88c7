/** What lies in git stays what is in the cluster, through the whole life of an ImageDiff. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { binaries } from "../cluster/binaries.ts";
import type { KubeObject } from "../cluster/client.ts";
import { adminClient, kubeconfig } from "../cluster/cluster.ts";
import { eventually } from "../cluster/eventually.ts";
import { result, succeeds } from "../cluster/operator/engine.ts";
import { world } from "../cluster/operator/world.ts";
import { textOf } from "../docs/texts.ts";
import { run, type Ended } from "../support/command.ts";
import { testFolder } from "../support/folder.ts";

const admin = adminClient();

/** Both as Argo CD and Flux apply what they find, and compare it with what there is. */
const ways: Array<{ by: string; args: string[] }> = [
  { by: "patches", args: [] },
  { by: "server-side apply", args: ["--server-side", "--field-manager=gitops"] },
];

test.each(ways)("by $by: nothing differs, and what is removed is gone", async ({ args }) => {
  const here = await world(admin);
  await Promise.all(["golden", "web-01-root", "thin-images"].map(async (name) => here.claim(name)));
  const example = parse(textOf("examples/gitops/imagediffs/web-01.yaml")) as KubeObject;
  example.metadata = { ...example.metadata, namespace: here.space };
  const file = join(testFolder(), "web-01.yaml");
  writeFileSync(file, stringify(example));
  const { kubectl } = await binaries("kubectl");
  const git = async (command: string): Promise<Ended> =>
    run(kubectl, [command, "--kubeconfig", kubeconfig("admin"), "-f", file, ...args]);
  const nothing = { exitCode: 0, stdout: "", stderr: "" };

  expect(await git("apply")).toMatchObject({ exitCode: 0 });
  expect(await git("diff")).toEqual({ ...nothing, signal: null });
  const pod = await here.place();
  expect(await git("diff")).toEqual({ ...nothing, signal: null });
  await succeeds(pod, result("/volumes/thin-images/web-01.qcow2"));
  const done = await here.ready("OverlayReady");
  expect(await git("diff")).toEqual({ ...nothing, signal: null });

  const again = await git("apply");
  expect(again.stdout).toMatch(args.length === 0 ? /unchanged/ : /serverside-applied/);
  expect((await here.get()).metadata.generation).toBe(done.observedGeneration);
  expect((await here.get()).status).toEqual(done);

  await admin.delete(here.path());
  expect(await admin.find(here.path())).toBeUndefined();
  await eventually(async () => (await here.jobs()).length === 0);
});

test("another input is refused, and the refusal says what to do", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff();
  const edited = here.edit({ modified: { claimName: "other" } });
  await expect(edited).rejects.toThrow("cannot change once set: make another ImageDiff instead");
});
