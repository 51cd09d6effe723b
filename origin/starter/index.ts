/**
 * The embedded package set: a directory that Nix imports like nixpkgs. It holds nix/starter and,
 * for each architecture, a lock of what Debian's archive has today.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import {
  cp,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join, resolve } from "node:path";
import { PLATFORMS, type System } from "../../edge/contract/records.ts";
import { temporaryDirectory } from "../disk/temporary.ts";
import { writeWhole } from "../disk/write-whole.ts";
import { requirePrograms, STARTER_NEEDS } from "../local/needs.ts";
import { type Apt, openApt, sha256 } from "./apt.ts";
import { writeFirnSource, writeNpmRegistry } from "./firn-source.ts";
import { type Architecture, lockText, makeLock } from "./lock.ts";
import { indexPackages, type PackageIndex } from "./packages-file.ts";
import { chooseLists, runningRelease } from "./release.ts";
import type { Recipe } from "./resolve.ts";

export interface StarterOptions {
  /** Its subdirectory `starter` has all files. */
  readonly stateDir: string;
  readonly systems: readonly System[];
  readonly log: (line: string) => void;
}

const NIX_SOURCE = resolve(import.meta.dirname, "../../nix/starter");
/** The tools that build the set come from this machine's lock, so it is always made. */
const HOST: Architecture = process.arch === "arm64" ? "arm64" : "amd64";
/**
 * How long the sets of older states of the archive are kept, ms: running builds, and origins that
 * were started earlier, may still use them.
 */
const KEEP_SETS_MS = 30 * 24 * 3_600_000;

/**
 * Fetches the package lists if they are old, and returns the directory of the set that they give.
 * The directory never changes; the same lists give the same files on every machine. Several
 * processes may call this at once for one state directory. Throws an Error that names what the
 * machine lacks: a program, or package lists for one of the systems.
 */
export async function prepareStarter({
  stateDir,
  systems,
  log,
}: StarterOptions): Promise<{ dir: string }> {
  await requirePrograms(STARTER_NEEDS);
  const state = resolve(stateDir, "starter");
  const wanted = systems.map((system) => PLATFORMS[system].architecture);
  const architectures = [...new Set([HOST, ...wanted])].sort();
  const apt = await openApt(join(state, "apt"), architectures, log);
  await apt.refresh();
  const locks = await currentLocks(apt, state, architectures, log);
  if (!wanted.some((architecture) => locks.has(architecture)) || !locks.has(HOST)) {
    throw new Error(
      `apt has no package lists of Debian or Ubuntu for ` +
        `${architectures.filter((name) => !locks.has(name)).join(", ")}: ` +
        "the starter package set is made from them. Check that 'apt-get update' works here, " +
        "or set PACKAGE_SET to channel:…, git:… or path:….",
    );
  }
  return { dir: await assemble(state, locks) };
}

/**
 * The locks by architecture, of those that apt has lists for. A lock is made again only when a
 * list, the recipe or this code has changed.
 */
async function currentLocks(
  apt: Apt,
  state: string,
  architectures: readonly Architecture[],
  log: (line: string) => void,
): Promise<Map<Architecture, string>> {
  const dir = join(state, "locks");
  await mkdir(dir, { recursive: true });
  const recipe = await readFile(join(NIX_SOURCE, "packages.json"), "utf8");
  const release = await runningRelease();
  const generator = await contentHash(import.meta.dirname);
  const key = sha256(JSON.stringify([await apt.fingerprint(), recipe, generator, release])).slice(
    0,
    32,
  );

  const locks = new Map<Architecture, string>();
  const files = new Set<string>();
  for (const architecture of architectures) {
    const file = `${key}-${architecture}.json`;
    let text = await readFile(join(dir, file), "utf8").catch(() => undefined);
    if (text === undefined) {
      const index = await archiveIndex(apt, architecture, release);
      if (index === undefined) {
        log(`apt has no package lists for ${architecture}: the starter set is without it`);
        continue;
      }
      const made = generate(architecture, index, JSON.parse(recipe) as Recipe, log);
      await writeWhole(join(dir, file), (path) => writeFile(path, made));
      text = made;
    }
    locks.set(architecture, text);
    files.add(file);
  }
  await removeOld(dir, files);
  return locks;
}

/** The archive's packages for an architecture; undefined when apt has no lists for it. */
async function archiveIndex(
  apt: Apt,
  architecture: Architecture,
  release: string | undefined,
): Promise<PackageIndex | undefined> {
  const all = (await apt.lists()).filter((list) => list.architecture === architecture);
  const texts: { text: string; suite: string }[] = [];
  for (const list of chooseLists(all, release))
    texts.push({ text: await apt.read(list), suite: list.suite });
  return texts.length === 0 ? undefined : indexPackages(texts);
}

function generate(
  architecture: Architecture,
  index: PackageIndex,
  recipe: Recipe,
  log: (line: string) => void,
): string {
  const { lock, missing } = makeLock(architecture, index, recipe);
  if (missing.length > 0)
    log(`the archive has no package for these attributes (${architecture}): ${missing.join(", ")}`);
  const [attributes, units] = [lock.attributes, lock.units].map((of) => Object.keys(of).length);
  log(`starter set for ${architecture}: ${attributes} attributes, ${units} store paths`);
  return lockText(lock);
}

/** Copies nix/starter and the locks into a directory that is named by the hash of its content. */
async function assemble(state: string, locks: ReadonlyMap<Architecture, string>): Promise<string> {
  const sets = join(state, "sets");
  await mkdir(sets, { recursive: true });
  const made = temporaryDirectory(sets, ".new");
  const temporary = made.path;
  try {
    await cp(NIX_SOURCE, temporary, { recursive: true });
    await writeFirnSource(join(temporary, "firn"));
    for (const [architecture, text] of locks)
      await writeFile(join(temporary, `lock-${architecture}.json`), text);
    const name = await contentHash(temporary);
    const dir = join(sets, name);
    if (!existsSync(dir)) await writeNpmRegistry(temporary);
    // The name is the hash of the content: a directory that exists already has the same content.
    await rename(temporary, dir).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
    await utimes(dir, new Date(), new Date());
    await removeOld(sets, new Set([name]));
    return dir;
  } finally {
    made.remove();
  }
}

/** Hash of the names and contents of all files below a directory. */
async function contentHash(dir: string): Promise<string> {
  const entries = (await readdir(dir, { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  const paths = entries.map((entry) => join(entry.parentPath, entry.name)).sort();
  const hash = createHash("sha256");
  for (const path of paths) {
    const content = await readFile(path);
    hash.update(`${path.slice(dir.length)}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex").slice(0, 32);
}

/** Removes what was last used more than KEEP_SETS_MS ago. */
async function removeOld(dir: string, keep: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(dir)) {
    if (keep.has(name)) continue;
    const modified = await stat(join(dir, name)).then(
      ({ mtimeMs }) => mtimeMs,
      () => Date.now(),
    );
    if (Date.now() - modified > KEEP_SETS_MS)
      await rm(join(dir, name), { recursive: true, force: true });
  }
}
