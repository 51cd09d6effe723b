/**
 * The page as static files: edge/site/app bundled by esbuild, each file with a hash of its content
 * in its name, and compressed beside itself, so that no server has to do it for every visitor.
 *
 *   page.html   app-4f2c….js   style-91c0….css   icon-….svg      and each with .br and .gz
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { createHash } from "node:crypto";
import { bundle } from "./esbuild.ts";

const APP = fileURLToPath(new URL("../../edge/site/app/", import.meta.url));

interface SiteFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Writes the page's files into a directory of their own, which is emptied first. */
export async function buildSite(directory: string): Promise<void> {
  const bundled = bundleApp();
  const icon = hashed("icon.svg", await readFile(join(APP, "icon.svg")));
  const page = await document([...bundled, icon]);
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const files = [...bundled, icon, page].flatMap(withCompressed);
  await Promise.all(files.map(({ name, bytes }) => writeFile(join(directory, name), bytes)));
}

function bundleApp(): SiteFile[] {
  const outputFiles = bundle({
    entryPoints: { app: join(APP, "main.tsx"), style: join(APP, "style.css") },
    minify: true,
    format: "esm",
    target: ["es2022"],
    jsx: "automatic",
    jsxImportSource: "preact",
    outdir: "/",
  });
  return outputFiles.map(({ path, contents }) => hashed(basename(path), contents));
}

/** `app.js` → `app-1b2c3d4e.js`. */
function hashed(name: string, bytes: Uint8Array): SiteFile {
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 8);
  const extension = extname(name);
  return { name: `${basename(name, extension)}-${hash}${extension}`, bytes };
}

/** The document, with the names of the files that it asks for. */
async function document(files: readonly SiteFile[]): Promise<SiteFile> {
  let text = await readFile(join(APP, "page.html"), "utf8");
  for (const { name } of files)
    text = text.replaceAll(name.replace(/-[0-9a-f]{8}(?=\.)/, ""), name);
  return { name: "page.html", bytes: new TextEncoder().encode(text) };
}

function withCompressed(file: SiteFile): SiteFile[] {
  const { name, bytes } = file;
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  return [
    file,
    { name: `${name}.br`, bytes: brotliCompressSync(bytes, { params }) },
    { name: `${name}.gz`, bytes: gzipSync(bytes, { level: 9 }) },
  ];
}

// `node origin/server/site.ts DIRECTORY`: what wrangler runs before it deploys (wrangler.toml).
if (process.argv[1] === fileURLToPath(import.meta.url))
  await buildSite(process.argv[2] ?? join(import.meta.dirname, "../../dist/site"));
