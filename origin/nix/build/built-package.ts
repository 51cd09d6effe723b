import { lstatSync, readdirSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Failure } from "../../../edge/contract/items.ts";
import type { Found } from "../evaluate/describe.ts";
import { failure } from "../failures.ts";
import { MAX_TEXT, metadataOf } from "../metadata.ts";
import { storeDir } from "../settings.ts";
import type { BuiltPackage } from "../types.ts";

/** The metadata of a package that is in the store, within the limits of a package record. */
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
 * The program that the package names (meta.mainProgram), else one of the package's own name (as
 * nixpkgs' getExe), else its only one; undefined when the file does not exist.
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

/** Of what is no directory, leads nowhere or in a circle, or out of the store, none. */
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
    // A dangling link, or a circle, or one that leads to where this process may not read.
    return false;
  }
}

/** A store path that the database has and somebody deleted by hand: no build makes it again. */
export function damage({ storePath }: Found): Failure | undefined {
  if (lstatSync(storePath, { throwIfNoEntry: false }) !== undefined) return undefined;
  return failure(
    "error",
    `Nix's database has ${storePath}, but the path does not exist: run nix-store --verify ` +
      `--check-contents --repair on this origin`,
  );
}
