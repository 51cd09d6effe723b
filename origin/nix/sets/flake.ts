/**
 * A flake as package set (kind `flake`). Its files come from a git repository or a directory, with
 * the tags and revisions of such a set; its inputs are those of its flake.lock.
 *
 * Nix's own flake commands are not used: they are experimental in every version, read registries,
 * write lock files, and fetch while they evaluate. Instead the origin fetches the locked inputs
 * first (flake-inputs.ts), and adds a file to the store that says where each of them is:
 *
 *   flake.lock → inputs in the store → firn-flake.json, which refers to all of them → nix/flake.nix
 *
 * From there on it is evaluated like any package set, with the same restrictions: an evaluation
 * reads the flake and its inputs, and nothing else. A lock that lacks an input is an error and is
 * not updated; a flake's `nixConfig` is ignored.
 */
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import pLimit from "p-limit";
import { queryPaths } from "../build/closure.ts";
import { failed } from "../failures.ts";
import { nixOutput } from "../nix-output.ts";
import { NIX_DIR, nixEnvironment, type NixSettings } from "../settings.ts";
import { fetchInput } from "./flake-inputs.ts";
import { type Lock, NO_LOCK, originOf, parseLock, placeOf } from "./flake-lock.ts";
import type { Revisions } from "./revisions.ts";
import type { Sources } from "./source.ts";

export interface FlakeSetOptions {
  /** Where the flake's own files come from. */
  readonly files: Sources;
  /** Whether its revisions are commits. */
  readonly isGit: boolean;
  /** The directory of flake.nix in these files. */
  readonly subdirectory: string;
  readonly settings: NixSettings;
  /** The sources of the locked flake, not those of its files. */
  readonly revisions: Revisions;
}

/** Inputs that are fetched concurrently. */
const FETCHES = 4;

/** The sources of a flake. */
export function flakeSources({
  files,
  isGit,
  subdirectory,
  settings,
  revisions,
}: FlakeSetOptions): Sources {
  const lock = async (revision: string, signal: AbortSignal): Promise<string> => {
    const { path } = await files.source(revision, signal);
    const commit = isGit
      ? { rev: revision, lastModified: (await files.committedAt?.(revision, signal)) ?? 0 }
      : { lastModified: 0 };
    return lockFlake({ path, directory: subdirectory, commit }, settings, signal);
  };
  return {
    resolve: (tag, signal) => files.resolve(tag, signal),
    async source(revision, signal) {
      const path = await revisions.getOrFetch(revision, signal, () => lock(revision, signal));
      return { path, importFromDerivation: true };
    },
    ...(files.tags && { tags: files.tags }),
    watch: (onChange) => files.watch(onChange),
  };
}

interface Flake {
  /** Store path of its files. */
  readonly path: string;
  readonly directory: string;
  readonly commit: { readonly rev?: string; readonly lastModified: number };
}

/** Files in the store, and what is known of them. */
interface Files {
  readonly path: string;
  readonly info: Readonly<Record<string, unknown>>;
}

/** A node of nix/flake.nix. */
interface LockedNode extends Files {
  readonly directory: string;
  readonly isFlake: boolean;
  readonly inputs: Readonly<Record<string, string | string[]>>;
}

/** Puts all inputs of a flake into the store, and firn-flake.json, whose path it returns. */
async function lockFlake(
  flake: Flake,
  settings: NixSettings,
  signal: AbortSignal,
): Promise<string> {
  const lock = await readLock(join(flake.path, flake.directory, "flake.lock"));
  const limited = pLimit(FETCHES);
  const files = new Map<string, Promise<Files>>();
  /** The files of a node that is not a directory of another one. */
  const filesOf = (name: string): Promise<Files> => {
    let found = files.get(name);
    if (found === undefined) files.set(name, (found = make(name)));
    return found;
  };
  const make = async (name: string): Promise<Files> => {
    const node = lock.nodes[name];
    if (name === lock.root || node === undefined) return rootFiles(flake, signal);
    const { narHash, lastModified = 0, rev } = node.locked ?? {};
    const origin = originOf(name, node);
    if (origin.kind === "inside" || narHash === undefined)
      throw failed("refused", `flake.lock has no hash of the input ${name}`);
    const path = await limited(() => fetchInput({ name, narHash, origin }, settings, signal));
    return { path, info: infoOf({ narHash, lastModified, rev }) };
  };
  const nodeOf = async (name: string): Promise<LockedNode> => {
    const { base, directory } = placeOf(lock, name, flake.directory);
    const { inputs = {}, flake: isFlake = true } = lock.nodes[name] ?? {};
    return { ...(await filesOf(base)), directory, isFlake, inputs };
  };
  const entries = await Promise.all(
    Object.keys(lock.nodes).map(async (name) => [name, await nodeOf(name)] as const),
  );
  const text = JSON.stringify({ root: lock.root, nodes: Object.fromEntries(entries) });
  return addText(text, [...new Set(entries.map(([, { path }]) => path))], settings, signal);
}

async function readLock(file: string): Promise<Lock> {
  try {
    return parseLock(await readFile(file, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return NO_LOCK;
    throw error;
  }
}

/** The flake's own files. */
async function rootFiles({ path, commit }: Flake, signal: AbortSignal): Promise<Files> {
  const [found] = await queryPaths([path], signal);
  const hex = found?.narHash.slice("sha256:".length) ?? "";
  const narHash = `sha256-${Buffer.from(hex, "hex").toString("base64")}`;
  return { path, info: infoOf({ narHash, ...commit }) };
}

/** What a flake sees of its own files or an input's (`self.rev`, …), with Nix's attribute names. */
function infoOf({
  narHash,
  lastModified,
  rev,
}: {
  readonly narHash: string;
  readonly lastModified: number;
  readonly rev?: string | undefined;
}): Record<string, unknown> {
  const [date = ""] = new Date(lastModified * 1_000).toISOString().split(".");
  return {
    narHash,
    lastModified,
    lastModifiedDate: date.replace(/\D/g, ""),
    ...(rev === undefined ? {} : { rev, shortRev: rev.slice(0, 7) }),
  };
}

async function addText(
  text: string,
  paths: readonly string[],
  settings: NixSettings,
  signal: AbortSignal,
): Promise<string> {
  const args = { text, paths: JSON.stringify(paths) };
  const output = await nixOutput(
    "the locked flake cannot be added to the store",
    "nix-instantiate",
    [
      "--eval",
      "--json",
      "--read-write-mode",
      ...Object.entries(args).flatMap(([name, value]) => ["--argstr", name, value]),
      resolve(NIX_DIR, "locked.nix"),
    ],
    { env: nixEnvironment(settings), signal },
  );
  return JSON.parse(output) as string;
}
