/** The life of an ImageDiff in which nothing stands in its way. */
import { expect, test } from "vitest";
import { adminClient } from "../cluster.ts";
import { eventually } from "../eventually.ts";
import { progressLine, result, succeeds } from "./engine.ts";
import { world } from "./world.ts";

const admin = adminClient();

test("from apply to Ready: one Job, progress, the result, and what it saves", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff();
  const pod = await here.place();
  await here.ready("JobCreated");
  expect(await here.jobs()).toHaveLength(1);

  await pod.start();
  pod.log().append(progressLine(1));
  await here.ready("Comparing");
  pod.log().append(progressLine(42));
  await eventually(async () => (await here.get()).status.progress?.percent === 42);
  const running = (await here.get()).status;
  expect(running).toMatchObject({ phase: "Comparing", attempts: 1, node: here.kubelet.node });

  await pod.terminate({ exitCode: 0, message: JSON.stringify(result()) });
  const done = await here.ready("OverlayReady");
  expect(done).toMatchObject({
    phase: "Succeeded",
    output: { claimName: "thin", path: "web-01.qcow2", virtualSizeBytes: 2 ** 30 },
    savings: { savedBytes: 2 ** 29 - 2 ** 20 },
    backingChain: [
      { claimName: "thin", path: "web-01.qcow2", backingFile: "../golden/disk.img" },
      { claimName: "golden", path: "disk.img" },
    ],
  });
  expect(await here.jobs()).toHaveLength(1);
});

test("an Estimate needs no output", async () => {
  const here = await world(admin);
  await here.claims();
  await here.imageDiff("web-01", { mode: "Estimate", output: {} });
  await succeeds(await here.place(), result(null));
  const { output } = await here.ready("Estimated");
  expect(output).toMatchObject({ fileSizeBytes: 2 ** 20 });
});
