/** Whether the controller asks who leads: the flag, and the variable beside it. */
import { afterEach, expect, test, vi } from "vitest";
import { runController } from "../../src/cli/controller-process.ts";
import { runCommand } from "../../src/cli/program.ts";
import type { Voice } from "../../src/cli/session.ts";

vi.mock(import("../../src/cli/controller-process.ts"), () => ({
  runController: vi.fn<typeof runController>(async () => {}),
}));

afterEach(() => {
  vi.unstubAllEnvs();
  vi.clearAllMocks();
});

const variable = "IMAGEDIFF_NO_LEADER_ELECT";

interface Started {
  exitCode: number;
  /** What standard error says. */
  said: string;
  leaderElect?: boolean | undefined;
}

async function started(value: string | undefined, flags: readonly string[] = []): Promise<Started> {
  vi.stubEnv(variable, value);
  let said = "";
  const voice: Voice = {
    line: () => {},
    words: () => {},
    complaint: (text) => void (said += text),
  };
  const args = ["controller", "--engine-image", "example.com/engine:1", ...flags];
  const exitCode = await runCommand(args, voice);
  const [call] = vi.mocked(runController).mock.calls;
  return { exitCode, said, leaderElect: call?.[0].leaderElect };
}

test.each([undefined, "", "false", "0"])("%j: it does", async (value) => {
  expect(await started(value)).toMatchObject({ exitCode: 0, leaderElect: true });
});

test.each(["true", "1"])("%j: it does not", async (value) => {
  expect(await started(value)).toMatchObject({ exitCode: 0, leaderElect: false });
});

test.each([undefined, "false", "maybe"])("%j: the flag wins", async (value) => {
  const flags = ["--no-leader-elect"];
  expect(await started(value, flags)).toMatchObject({ exitCode: 0, leaderElect: false });
});

test.each(["yes", "True", " 1"])("%j: it does not start", async (value) => {
  const { exitCode, said, leaderElect } = await started(value);
  expect({ exitCode, leaderElect }).toEqual({ exitCode: 2, leaderElect: undefined });
  expect(said).toContain(`${variable}=${value}: must be true or false.`);
});
