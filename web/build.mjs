/** Writes the static page to web/dist: node build.mjs */

import { createHash } from "node:crypto";
import { cp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
const modules = join(here, "node_modules");
const shipped = join(here, "..", "invisp_deploy", "models");
const ESM = { bundle: true, format: "esm", target: "es2022", minify: true, legalComments: "none", outdir: dist };

await rm(dist, { recursive: true, force: true });
for (const folder of ["ort", "libraw", "turbo", "models"]) await mkdir(join(dist, folder), { recursive: true });

const entries = ["main", "worker", "engine"].map((name) => join(here, "src", `${name}.ts`));
await build({ ...ESM, entryPoints: entries, splitting: true, chunkNames: "chunk-[hash]" });
for (const name of ["index.html", "style.css", "icon.svg"]) await cp(join(here, "src", name), join(dist, name));

// what WebAssembly's glue loads by its own place is not bundled
for (const name of ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"]) {
  await cp(join(modules, "onnxruntime-web", "dist", name), join(dist, "ort", name));
}
for (const name of ["index.js", "worker.js", "libraw.wasm"]) {
  await cp(join(modules, "libraw-wasm", "dist", name), join(dist, "libraw", name));
}
const turbo = join(modules, "@cornerstonejs", "codec-libjpeg-turbo-8bit", "dist");
const glue = await readFile(join(turbo, "libjpegturbowasm_decode.js"), "utf8");
await writeFile(join(dist, "turbo", "libjpegturbo.js"), `${glue}\nexport default libjpegturbowasm_decode;\n`);
await cp(join(turbo, "libjpegturbowasm_decode.wasm"), join(dist, "turbo", "libjpegturbowasm_decode.wasm"));

// the graphs of the package, as they are
const folders = (await readdir(shipped, { withFileTypes: true })).filter((each) => each.isDirectory()).map((each) => each.name);
const models = [];
for (const folder of folders) {
  const files = await readdir(join(shipped, folder));
  if (!files.includes("forward.onnx")) continue;
  models.push({ name: folder.replaceAll("_", "-"), folder });
  await mkdir(join(dist, "models", folder));
  for (const name of ["forward.onnx", "inverse.onnx"]) await cp(join(shipped, folder, name), join(dist, "models", folder, name));
}
models.sort((one, other) => (other.name === "universal") - (one.name === "universal") || one.name.localeCompare(other.name));
await writeFile(join(dist, "models", "models.json"), JSON.stringify(models));

const files = (await readdir(dist, { recursive: true, withFileTypes: true }))
  .filter((each) => each.isFile())
  .map((each) => join(each.parentPath, each.name).slice(dist.length + 1))
  .sort();
const digest = createHash("sha256");
for (const name of files) digest.update(name).update(await readFile(join(dist, name)));
await build({
  ...ESM,
  entryPoints: [join(here, "src", "offline", "offline.ts")],
  define: { FILES: JSON.stringify(["./", ...files]), VERSION: JSON.stringify(digest.digest("hex").slice(0, 16)) },
});
console.log(`wrote ${dist}: ${files.length + 1} files, models ${models.map(({ name }) => name).join(", ")}`);
