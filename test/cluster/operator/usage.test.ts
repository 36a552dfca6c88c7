/** A controller that is started wrongly says what is wrong and does not start. */
import { writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { testFolder } from "../../support/folder.ts";
import { kubeconfig } from "../cluster.ts";
import { ControllerProcess } from "./process.ts";

/** Where compiled code is kept, wherever the home is. */
const cache = { XDG_CACHE_HOME: process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache") };

const image = ["--engine-image", "example.com/engine:1"];

interface Wrong {
  name: string;
  args: string[];
  env?: Record<string, string>;
  /** What standard error says. */
  says: RegExp;
  reason?: string;
}

const usage: Wrong[] = [
  {
    name: "no kubeconfig at all",
    args: image,
    says: /No kubeconfig can be used: there is neither/,
  },
  { name: "no engine", args: [], says: /--engine-image IMAGE/ },
  { name: "an unknown flag", args: [...image, "--max-job", "3"], says: /'--max-job'/ },
  { name: "an argument", args: [...image, "now"], says: /now/ },
  {
    name: "a number that is none",
    args: [...image, "--max-jobs", "many"],
    says: /--max-jobs many: must be a whole number from 0 to/,
  },
  {
    name: "a number that is too small",
    args: [...image, "--concurrency", "0"],
    says: /--concurrency 0: must be a whole number from 1 to 64/,
  },
  {
    name: "a negative number",
    args: [...image, "--max-jobs-per-node=-1"],
    says: /--max-jobs-per-node -1: must be/,
  },
  {
    name: "an address without a port",
    args: [...image, "--listen", "127.0.0.1"],
    says: /--listen 127\.0\.0\.1: must be HOST:PORT/,
  },
  {
    name: "a port that is none",
    args: [...image, "--listen", "127.0.0.1:70000"],
    says: /--listen 127\.0\.0\.1:70000: must be HOST:PORT/,
  },
  {
    name: "quantities that are none",
    args: [...image, "--engine-limits", "cpu=lots"],
    says: /--engine-limits cpu=lots: must be NAME=QUANTITY/,
  },
  {
    name: "a quantity too many",
    args: [...image, "--engine-requests", "cpu=1=2"],
    says: /--engine-requests cpu=1=2: must be NAME=QUANTITY/,
  },
  {
    name: "a namespace that none can be called",
    args: [...image, "--namespaces", "vms,Prod"],
    says: /--namespaces vms,Prod: Prod is no name/,
  },
  {
    name: "an unknown policy",
    args: [...image, "--engine-image-pull-policy", "Sometimes"],
    says: /Sometimes.*Always, IfNotPresent, Never/,
  },
  { name: "an unknown level", args: [...image, "--log-level", "loud"], says: /loud.*debug, info/ },
  {
    name: "a wrong variable",
    args: image,
    env: { IMAGEDIFF_CONCURRENCY: "many" },
    says: /--concurrency many: must be/,
  },
  {
    name: "a variable that is neither true nor false",
    args: image,
    env: { IMAGEDIFF_NO_LEADER_ELECT: "maybe" },
    says: /IMAGEDIFF_NO_LEADER_ELECT=maybe: must be true or false/,
  },
  {
    name: "no such kubeconfig",
    args: [...image, "--kubeconfig", "/nowhere/config"],
    says: /--kubeconfig \/nowhere\/config: .*no such file/,
  },
];

test.for(usage)("$name", async ({ args, env, says }) => {
  expect(await outcome(args, env)).toMatchObject({
    code: 2,
    said: expect.stringMatching(says),
  });
});

test.for([
  { name: "is not YAML", content: "{{", says: /--kubeconfig \S+: / },
  { name: "says nothing", content: "", says: /--kubeconfig \S+: / },
  {
    name: "is broken near its token",
    content: "users:\n- token: sesame\n  {",
    says: /--kubeconfig \S+: /,
  },
  {
    name: "names no cluster",
    content: "apiVersion: v1\nkind: Config\n",
    says: /--kubeconfig \S+: .*no current/,
  },
])("a kubeconfig that $name", async ({ content, says }) => {
  const file = join(testFolder(), "config");
  writeFileSync(file, content);
  expect(await outcome([...image, "--kubeconfig", file])).toMatchObject({
    code: 2,
    said: expect.stringMatching(says),
  });
});

test("an address that cannot be had", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void other.close());
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  const listen = async (address: string) =>
    outcome([...image, "--kubeconfig", kubeconfig("admin"), "--listen", address]);
  expect(await listen(`127.0.0.1:${port}`)).toMatchObject({
    code: 2,
    said: expect.stringMatching(/--listen 127\.0\.0\.1:\d+: .*EADDRINUSE/),
  });
  expect(await listen("192.0.2.1:8080")).toMatchObject({
    code: 2,
    said: expect.stringMatching(/--listen 192\.0\.2\.1:8080: .*EADDRNOTAVAIL/),
  });
});

/** The exit code, and standard error. */
async function outcome(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; said: string }> {
  // Where it does not find a kubeconfig it finds none at all.
  const controller = new ControllerProcess(args, { HOME: "/nonexistent", ...cache, ...env });
  const { code } = await controller.exited;
  const said = controller.words.join("\n");
  expect(said).not.toContain("sesame");
  expect(said, "a sentence, no trace").not.toMatch(/InternalError|\n\s+at /);
  return { code, said };
}
