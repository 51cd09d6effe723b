/**
 * Workers bundled for tests: once for a run of all tests, else once for a process. A bundle takes a
 * quarter of a second, and a run starts more than two hundred edges.
 */
import { createHash, randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bundleWorker, WORKER_ENTRY } from "../../origin/server/bundle.ts";
import { RUN_CACHE } from "./leftovers.ts";

const known = new Map<string, string>();

/** The module of a Worker, `entry` by its path. */
export function bundled(entry: string = WORKER_ENTRY): string {
  const module = known.get(entry) ?? ofRun(entry);
  known.set(entry, module);
  return module;
}

function ofRun(entry: string): string {
  const directory = process.env[RUN_CACHE];
  if (directory === undefined) return bundleWorker(entry);
  const file = join(directory, `${createHash("sha256").update(entry).digest("hex")}.js`);
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const module = bundleWorker(entry);
  mkdirSync(directory, { recursive: true });
  // Whole or absent: other test files read it meanwhile.
  const incoming = join(directory, randomUUID());
  writeFileSync(incoming, module);
  renameSync(incoming, file);
  return module;
}
