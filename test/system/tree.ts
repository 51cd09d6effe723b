/**
 * What the union test compares: trees on disk entry by entry, and a reference merge of packages
 * that reads the store itself and knows nothing of listings.
 */
import assert from "node:assert/strict";
import { lstat, readdir, readFile, readlink, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";

const PERMISSIONS = 0o7777;
const STORE = "/nix/store/";
/** Top-level names that no profile has (edge/compose/base-files.ts, LEFT_OUT). */
const NO_PROFILE = new Set(["nix-support", "nix", "dev", "proc", "sys"]);

/**
 * Asserts that `copy` is what `original` is: the same names, types, modes, contents and link
 * targets, however deep.
 */
export async function assertSameTree(copy: string, original: string): Promise<void> {
  const [found, wanted] = await Promise.all([lstat(copy), lstat(original)]);
  const kind = (stats: typeof found): string =>
    stats.isSymbolicLink()
      ? "link"
      : stats.isDirectory()
        ? "directory"
        : stats.isFile()
          ? "file"
          : "other";
  assert.deepEqual([original, kind(found)], [original, kind(wanted)]);
  if (wanted.isSymbolicLink())
    return assert.equal(await readlink(copy), await readlink(original), original);
  assert.deepEqual(
    [original, found.mode & PERMISSIONS, found.uid, found.gid, found.mtimeMs],
    [original, wanted.mode & PERMISSIONS, 0, 0, 1_000],
  );
  if (wanted.isFile()) {
    assert.equal(found.size, wanted.size, original);
    assert.ok(
      (await readFile(copy)).equals(await readFile(original)),
      `${original} has other contents`,
    );
  }
  if (!wanted.isDirectory()) return;
  const names = (await readdir(original)).sort();
  assert.deepEqual([original, (await readdir(copy)).sort()], [original, names]);
  for (const name of names) await assertSameTree(join(copy, name), join(original, name));
}

/**
 * Path → the file in the store that is met there, at the end of all links; or where the last link
 * that leads nowhere is.
 */
export type Files = Map<string, string>;

/**
 * A directory of one package as it is met on the way down, and the directories above it, free of
 * links: a link back to one of them is a file.
 */
interface Provider {
  readonly path: string;
  readonly above: readonly string[];
}

/**
 * What a profile of these packages has: for every path below `/` the first package's file,
 * directories merged. `packages`: store paths in the order in which they count.
 */
export async function mergedFiles(packages: readonly string[]): Promise<Files> {
  const files: Files = new Map();
  const tops: Provider[] = [];
  for (const path of packages) if (await directoryOf(path)) tops.push({ path, above: [] });
  await merge(tops, "", files);
  return files;
}

async function merge(providers: readonly Provider[], at: string, files: Files): Promise<void> {
  const names = new Map<string, Provider[] | string>();
  for (const { path, above } of providers) {
    const inside = [...above, await realpath(path)];
    for (const name of await readdir(path)) {
      if (at === "" && NO_PROFILE.has(name)) continue;
      const child = `${path}/${name}`;
      const directory = await directoryOf(child);
      const below =
        directory !== undefined && !inside.includes(directory)
          ? { path: child, above: inside }
          : undefined;
      const known = names.get(name);
      if (known === undefined) names.set(name, below === undefined ? child : [below]);
      else if (typeof known !== "string" && below !== undefined) known.push(below);
    }
  }
  for (const [name, found] of names) {
    if (typeof found === "string") files.set(`${at}/${name}`, await endOf(found));
    else await merge(found, `${at}/${name}`, files);
  }
}

/**
 * The same of an unpacked image: its own links and files, and what is behind links into the store,
 * which must be the machine's own (assertSameTree). `contents` gets the profile's own files.
 */
export async function imageFiles(tree: string, contents: Map<string, string>): Promise<Files> {
  const files: Files = new Map();
  const walk = async (at: string): Promise<void> => {
    for (const entry of await readdir(join(tree, at), { withFileTypes: true })) {
      const path = `${at}/${entry.name}`;
      if (path === "/nix") continue;
      if (entry.isDirectory()) await walk(path);
      else if (!entry.isSymbolicLink())
        contents.set(path, await readFile(join(tree, path), "utf8"));
      else {
        const target = await readlink(join(tree, path));
        assert.ok(target.startsWith(STORE), `${path} leads to ${target}`);
        const above = await directoriesAbove(target);
        const directory = await directoryOf(target);
        if (directory === undefined || above.includes(directory))
          files.set(path, await endOf(target));
        else await merge([{ path: target, above }], path, files);
      }
    }
  };
  await walk("");
  return files;
}

/** Every directory from the store path down to `path`, free of links. */
async function directoriesAbove(path: string): Promise<string[]> {
  const parts = path.slice(STORE.length).split(sep);
  return Promise.all(
    parts.slice(0, -1).map((_, depth) => realpath(STORE + parts.slice(0, depth + 1).join(sep))),
  );
}

/**
 * The directory in the store that a path leads to; undefined when it leads elsewhere or nowhere.
 */
async function directoryOf(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() !== true) return undefined;
  const real = await realpath(path);
  return real.startsWith(STORE) ? real : undefined;
}

const endOf = (path: string): Promise<string> => realpath(path).catch(() => path);
