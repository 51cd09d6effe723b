/**
 * The Worker as one module, as `wrangler deploy` would upload it. esbuild alone does it in a tenth
 * of the time that a dry run of wrangler takes.
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { bundle } from "./esbuild.ts";

export const WORKER_ENTRY = fileURLToPath(new URL("../../edge/worker.ts", import.meta.url));
const WRANGLER_TOML = new URL("../../wrangler.toml", import.meta.url);

/**
 * Bundles a Worker entry to the text of one ES module. The conditions are those that wrangler sets,
 * so that libraries choose the same files.
 */
export function bundleWorker(entry: string): string {
  const [output] = bundle({
    entryPoints: [entry],
    format: "esm",
    platform: "neutral",
    target: "es2024",
    mainFields: ["browser", "module", "main"],
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
    define: { "process.env.NODE_ENV": '"production"' },
  });
  if (output === undefined) throw new Error(`bundling ${entry} gave no output`);
  return output.text;
}

/**
 * The compatibility date that the deployed Worker runs with, from wrangler.toml: here and there the
 * runtime behaves the same.
 */
export async function compatibilityDate(): Promise<string> {
  const found = /^compatibility_date\s*=\s*"(\d{4}-\d{2}-\d{2})"/m.exec(
    await readFile(WRANGLER_TOML, "utf8"),
  )?.[1];
  if (found === undefined) throw new Error("wrangler.toml names no compatibility_date");
  return found;
}
