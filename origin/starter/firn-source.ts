/**
 * The source of the starter set's package `firn`, Firn itself: a directory with
 *
 *   default.nix …                      the files of nix/firn
 *   package.json, package-lock.json
 *   source.tar                         the files that package.json lists; the same files give the
 *                                      same bytes
 */
import { cp, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { execa } from "execa";

const ROOT = resolve(import.meta.dirname, "../..");
/** Files that only people and type checkers read; nix/firn/source.nix has the same list. */
const LEFT_OUT = ["*.md", "*.d.ts"];
/** Options of tar without which the archive would have this machine's owners, times and modes. */
const CANONICAL = [
  "--format=ustar",
  "--sort=name",
  "--owner=0",
  "--group=0",
  "--numeric-owner",
  "--mode=u=rwX,go=rX",
  "--mtime=@1",
];

/** Writes the source into `directory`, which must not exist yet. */
export async function writeFirnSource(directory: string): Promise<void> {
  await cp(join(ROOT, "nix/firn"), directory, { recursive: true });
  for (const name of ["package.json", "package-lock.json"])
    await cp(join(ROOT, name), join(directory, name));
  const { files } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as {
    files: string[];
  };
  const excludes = LEFT_OUT.map((pattern) => `--exclude=${pattern}`);
  const args = [...CANONICAL, ...excludes, "-cf", join(directory, "source.tar"), ...files];
  await execa("tar", args, { cwd: ROOT });
}

/**
 * Writes the URL of the npm registry that this machine uses (or its mirror), with a `/` at its end,
 * to the file `npm-registry`: the build of `firn` fetches its dependencies there. Without npm
 * nothing is written, and the starter set has no `firn`.
 */
export async function writeNpmRegistry(directory: string): Promise<void> {
  const { stdout, failed } = await execa("npm", ["config", "get", "registry"], {
    cwd: ROOT,
    reject: false,
  });
  if (failed || !/^https?:\/\//.test(stdout)) return;
  await writeFile(join(directory, "npm-registry"), stdout.replace(/\/*$/, "/"));
}
