import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { testFolder } from "../support/folder.ts";
import { binaries, kubernetesVersion } from "./binaries.ts";

afterEach(() => vi.unstubAllEnvs());

test("a program is taken from KUBEBUILDER_ASSETS, or else from an earlier build", async () => {
  const [given, cache] = [testFolder(), testFolder()];
  vi.stubEnv("KUBEBUILDER_ASSETS", given);
  vi.stubEnv("XDG_CACHE_HOME", cache);
  const built = join(cache, "imagediff", `kubernetes-${kubernetesVersion}`);
  mkdirSync(built, { recursive: true });
  for (const path of [join(given, "etcd"), join(built, "etcd"), join(built, "kubectl")]) {
    writeFileSync(path, "");
  }

  expect(await binaries("etcd", "kubectl")).toEqual({
    etcd: join(given, "etcd"),
    kubectl: join(built, "kubectl"),
  });
});

test("without any of them, and without Go, an error says what to do", async () => {
  vi.stubEnv("KUBEBUILDER_ASSETS", testFolder());
  vi.stubEnv("XDG_CACHE_HOME", testFolder());
  vi.stubEnv("PATH", testFolder());

  await expect(binaries("etcd")).rejects.toThrow(
    /^The tests with a real Kubernetes need etcd: put Go 1\.26 .* on the PATH, .* or set KUBEBUILDER_ASSETS/,
  );
});
