/**
 * Bundles the engine and its worker into dist/, for container images: a few files start in half
 * the time of hundreds. Development, tests and the demo run the sources as they are.
 */
import { globSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
// What npm run images has made beside it stays.
for (const old of globSync(`${root}/dist/*.mjs`)) rmSync(old);
await build({
  absWorkingDir: root,
  // A worker thread is started by the name of its file, so it cannot be part of the other bundle.
  entryPoints: { imagediff: "src/cli/main.ts", worker: "src/engine/scan/worker.ts" },
  outdir: "dist",
  outExtension: { ".js": ".mjs" },
  bundle: true,
  // What a subcommand does not need is not even parsed for it.
  splitting: true,
  platform: "node",
  format: "esm",
  target: "node24",
  // Tells the sources that their neighbours are dist/*.mjs, not src/**/*.ts.
  define: { IMAGEDIFF_BUNDLE: "true" },
  // koffi finds its native library beside its own files: the image keeps it in node_modules.
  external: ["koffi"],
  // CommonJS packages call require(), which an ES module does not have.
  banner: {
    js: 'import { createRequire as bannerRequire } from "node:module"; const require = bannerRequire(import.meta.url);',
  },
  logLevel: "info",
});
