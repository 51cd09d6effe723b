import { lstatSync, readdirSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Failure } from "../../../edge/contract/items.ts";
import type { Found } from "../evaluate/describe.ts";
import { failure } from "../failures.ts";
import { MAX_TEXT, metadataOf } from "../metadata.ts";
import { storeDir } from "../settings.ts";
import type { BuiltPackage } from "../types.ts";

/** What a package record says of a package that is in the store. */
export function builtPackage(found: Found): BuiltPackage {
  const mainProgram = programOf(found);
  const { licenses = [], ...metadata } = metadataOf(found);
  return {
    name: found.name,
    attribute: found.attribute.slice(0, MAX_TEXT),
    ...metadata,
    ...(mainProgram === undefined ? {} : { mainProgram }),
    ...(found.warning === undefined ? {} : { warning: found.warning }),
    storePath: found.storePath,
    derivation: found.drvPath,
    output: found.output,
    licenses,
  };
}

/**
 * The package's main program: meta.mainProgram, else the program with the package's name (as in
 * nixpkgs' getExe), else its only one; undefined when there is none.
 */
function programOf({ storePath, mainProgram, pname }: Found): string | undefined {
  const bin = join(storePath, "bin");
  const named = [mainProgram, pname].find(
    (name) => /^[^/\0]{1,255}$/.test(name) && isProgram(join(bin, name)),
  );
  if (named !== undefined) return named;
  const all = namesIn(bin).filter((name) => isProgram(join(bin, name)));
  return all.length === 1 ? all[0] : undefined;
}

/**
 * File names in a directory of the store; none when it is not a directory, or outside of the store.
 */
function namesIn(directory: string): string[] {
  try {
    const real = realpathSync(directory);
    return real.startsWith(`${realpathSync(storeDir())}/`) ? readdirSync(real) : [];
  } catch {
    return [];
  }
}

function isProgram(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    // A link that leads nowhere, or where this process may not read.
    return false;
  }
}

/**
 * The failure for a package that is registered in Nix's database, but whose store path somebody has
 * deleted, so that Nix would not build it again; undefined when the store path exists.
 */
export function damage({ storePath }: Found): Failure | undefined {
  if (lstatSync(storePath, { throwIfNoEntry: false }) !== undefined) return undefined;
  return failure(
    "error",
    `Nix's database has ${storePath}, but the path does not exist: run nix-store --verify ` +
      `--check-contents --repair on this origin`,
  );
}
