import { defineConfig } from "vitest/config";

const unitTests = "test/**/*.unit.test.ts";
const clusterTests = ["test/cluster/**/*.test.ts", "test/install/**/*.test.ts"];
const e2eTests = ["test/e2e/**/*.test.ts", "test/install/images/**/*.test.ts"];

export default defineConfig({
  test: {
    // Each engine test may run QEMU and workers of its own: two at a time are enough for any machine.
    maxWorkers: 2,
    projects: [
      {
        // Needs nothing but npm's packages.
        // Properties are tried on many inputs: a busy machine takes its time.
        test: { name: "unit", include: [unitTests], testTimeout: 60_000 },
      },
      {
        // Real images, real QEMU, real file systems.
        test: {
          name: "engine",
          include: ["test/**/*.test.ts"],
          exclude: [unitTests, ...clusterTests, ...e2eTests],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        // A real API server with its controllers, and a stand-in for the node.
        test: {
          name: "cluster",
          include: clusterTests,
          exclude: [unitTests, ...e2eTests],
          globalSetup: "test/cluster/setup.ts",
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        // A real cluster with nodes that run containers, which all tests share: one after the other.
        test: {
          name: "e2e",
          include: e2eTests,
          exclude: [unitTests],
          globalSetup: "test/node/setup.ts",
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
