/** Every command of docs/tutorial.md, and every manifest of examples/, as they stand. */
import { existsSync, rmSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Namespace } from "kubernetes-types/core/v1.d.ts";
import { parse } from "yaml";
import { adminClient } from "../cluster/cluster.ts";
import { kubectl, ownNodes } from "../node/cluster.ts";
import { blocksOf, sectionsOf, textOf } from "../docs/texts.ts";
import { Disks } from "./disks.ts";
import { expectOverlay } from "./expectations.ts";
import { product } from "./product.ts";
import { provide } from "./provider.ts";
import { checksum, Scene } from "./scene.ts";
import { type } from "./shell.ts";

const admin = adminClient();
const disks = new Disks();
product();

const machines = Array.from({ length: 20 }, (_, index) => `web-${`${index + 1}`.padStart(2, "0")}`);
const base = { claim: "golden", path: "disk.img" };

/** What happens in the one namespace that the tutorial names; it must be free. */
async function tutorialNamespace(): Promise<Scene> {
  const here = new Scene(admin, "vms");
  onTestFinished(async () => void (await kubectl("delete", "namespace", "vms")));
  const clones = machines.map((name) => `${name}-root`);
  for (const claim of ["golden", "thin-images", "web-01-restored", ...clones]) {
    here.adopt(claim, await provide(admin, "vms", claim));
  }
  await here.put(await disks.golden(), base);
  return here;
}

const sections = sectionsOf(textOf("docs/tutorial.md"));

/** The commands of a section, each block by itself. */
function commandsOf(heading: string): string[] {
  const blocks = blocksOf(sections.get(heading) ?? "", "sh");
  expect(blocks, `the commands of "${heading}"`).not.toEqual([]);
  return blocks;
}

describe.runIf(ownNodes)("on our own nodes", () => {
  test("the tutorial's commands do what it says", { timeout: 1_200_000 }, async () => {
    const here = await tutorialNamespace();
    for (const name of machines) {
      await here.put(await disks.clone(name), { claim: `${name}-root` });
    }
    const headings = [...sections.keys()];
    const typed = async (heading: string): Promise<string[]> => {
      expect(headings.shift(), "the next section with commands").toBe(heading);
      const said: string[] = [];
      for (const block of commandsOf(heading)) said.push(await type(block));
      return said;
    };

    await typed("The claims");
    // The machines' other claims are there already, as in a user's cluster.
    for (const name of machines.slice(1)) {
      await type(
        `sed "s/web-01/${name}/" examples/tutorial/claims.yaml | kubectl apply -n vms -f -`,
      );
    }

    const [estimated = ""] = await typed("What would it save?");
    expect(estimated.trimEnd().split("\n").at(-1)).toMatch(/^\d+\.\d MiB \(\d\d%\)$/);
    const { status: estimate } = await here.ready("Estimated", "web-01-estimate");

    const [made = "", chain = ""] = await typed("The overlay");
    expect(made).toMatch(/^web-01 +Succeeded +100 +golden +web-01-root /m);
    expect(JSON.parse(chain)).toEqual([
      {
        claimName: "thin-images",
        path: "web-01.qcow2",
        format: "qcow2",
        backingFile: "../golden/disk.img",
      },
      { claimName: "golden", path: "disk.img", format: "raw" },
    ]);
    const { status } = await here.ready();
    expect(status.output?.fileSizeBytes).toBe(estimate.output?.fileSizeBytes);
    const [shown = ""] = blocksOf(sections.get("The overlay") ?? "", "yaml");
    expect(parse(shown)).toEqual(parse(textOf("examples/tutorial/diff.yaml")));

    await typed("All twenty");
    for (const name of machines) {
      await expectOverlay(here, {
        base,
        modified: { claim: `${name}-root`, path: "disk.img" },
        overlay: { claim: "thin-images", path: `${name}.qcow2` },
      });
    }

    await typed("The way back");
    expect(await checksum(here.see({ claim: "web-01-restored", path: "disk.img" }))).toBe(
      await checksum(here.see({ claim: "web-01-root", path: "disk.img" })),
    );

    await typed("Tidy up");
    expect(headings).toEqual([]);
    expect(await admin.list(`/apis/imagediff.io/v1alpha1/namespaces/vms/imagediffs`)).toEqual([]);
    await type("kubectl wait -n vms --for=delete jobs -l app.kubernetes.io/name=imagediff");
    expect(await here.jobs()).toEqual([]);
    for (const name of machines) {
      expect(existsSync(here.see({ claim: "thin-images", path: `${name}.qcow2` }))).toBe(true);
    }
  });

  test("the other examples are applied as they are", async () => {
    const here = await tutorialNamespace();
    const modified = { claim: "web-01-root", path: "disk.img" };
    await here.put(await disks.clone("web-01"), modified);
    await admin.create<Namespace>({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: "vms" },
    });
    await type("kubectl apply -n vms -f examples/tutorial/claims.yaml");
    const overlay = { claim: "thin-images", path: "web-01.qcow2" };

    await type("kubectl apply -f examples/estimate.yaml -f examples/imagediff.yaml");
    await here.ready("Estimated", "web-01-estimate");
    await here.ready();
    await expectOverlay(here, { base, modified, overlay });

    await type("kubectl delete -f examples/imagediff.yaml");
    rmSync(here.see(overlay));
    await type("kubectl apply -k examples/gitops/imagediffs");
    await here.ready();
    await expectOverlay(here, { base, modified, overlay });
  });
});
