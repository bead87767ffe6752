// Builds src/rheobase/page/vendor/ from npm packages: npm ci && npm run build. The result is committed.
import { build } from "esbuild";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const target = here("../../src/rheobase/page/vendor/");
const { version } = JSON.parse(await readFile(here("node_modules/uplot/package.json"), "utf8"));
const banner = `/*! uPlot ${version}, https://github.com/leeoniya/uPlot, MIT: see LICENSE.uplot */`;

await build({
  stdin: { contents: 'import uPlot from "uplot"; globalThis.uPlot = uPlot;', resolveDir: here(".") },
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2020",
  legalComments: "none",
  banner: { js: banner },
  outfile: `${target}uplot.js`,
});
const css = await build({
  entryPoints: [here("node_modules/uplot/dist/uPlot.min.css")],
  minify: true,
  write: false,
  banner: { css: banner },
});
await writeFile(`${target}uplot.css`, css.outputFiles[0].text);
await copyFile(here("node_modules/uplot/LICENSE"), `${target}LICENSE.uplot`);
console.log(`uPlot ${version} written to ${target}`);
