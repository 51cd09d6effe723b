/**
 * esbuild as a process that ends with its work. By itself it keeps a thread and a process of 18 MB
 * for the next call, and those of the synchronous calls cannot be stopped and started again; the
 * variable, which it reads when it is loaded, makes each synchronous call a process of its own.
 */
import type { BuildOptions, OutputFile } from "esbuild";

const VARIABLE = "ESBUILD_WORKER_THREADS";
const before = process.env[VARIABLE];
process.env[VARIABLE] = "0";
const { buildSync } = await import("esbuild");
if (before === undefined) delete process.env[VARIABLE];
else process.env[VARIABLE] = before;

/** Bundles, and gives the files. */
export const bundle = (options: BuildOptions): readonly OutputFile[] =>
  buildSync({ ...options, bundle: true, write: false, logLevel: "silent" }).outputFiles;
