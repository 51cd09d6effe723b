/**
 * Firn itself, for the starter set's package `firn`: what nix/firn makes it from, beside one another.
 *
 *   default.nix …       nix/firn
 *   package.json, package-lock.json
 *   source.tar          the files that package.json lists, the same bytes whenever they are the same
 */
import { cp, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { execa } from "execa";

const ROOT = resolve(import.meta.dirname, "../..");
/** For people and type checkers, as nix/firn/source.nix has it. */
const LEFT_OUT = ["*.md", "*.d.ts"];
/** Nothing of this machine: neither owners nor times, modes or the order of its directories. */
const CANONICAL = [
  "--format=ustar",
  "--sort=name",
  "--owner=0",
  "--group=0",
  "--numeric-owner",
  "--mode=u=rwX,go=rX",
  "--mtime=@1",
];

/** Writes it into a directory that does not exist yet. */
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
 * Writes where this machine gets packages of npm from, for fetching what `firn` needs: the registry,
 * or the mirror, of npm's own configuration, with `/` at its end. Without npm nothing is written, and
 * the starter set has no `firn`.
 */
export async function writeNpmRegistry(directory: string): Promise<void> {
  const { stdout, failed } = await execa("npm", ["config", "get", "registry"], {
    cwd: ROOT,
    reject: false,
  });
  if (failed || !/^https?:\/\//.test(stdout)) return;
  await writeFile(join(directory, "npm-registry"), stdout.replace(/\/*$/, "/"));
}
